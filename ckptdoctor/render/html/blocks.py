"""A small result as HTML, from a few kinds of blocks: in a page of its own, or below a cell.

In a notebook it brings no script, no link and no file, and its styles touch nothing but itself.
JupyterLab aligns the cells of tables to the right, and shows a notebook that it does not trust
without our styles: so each cell says by itself how it is aligned. The colours follow the theme
where the notebook tells it (JupyterLab, VS Code, Colab); elsewhere they are read on white and on
black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.render.html.template import rendered

__all__ = ["Block", "Command", "Grid", "Heading", "Line", "fragment", "page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What the blocks below it are about."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence.

    Attributes:
        text: what it says; between backticks is code.
        label: stands before it; "" for nothing.
        tone: ``good``, ``warn``, ``bad``, ``quiet``, or "".
    """

    text: str
    label: str = ""
    tone: str = ""
    kind: str = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to be copied, never cut."""

    text: str
    label: str = ""
    kind: str = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table.

    Attributes:
        head: the names of its columns.
        rows: of texts.
        figures: the columns that hold numbers, and stand at the right.
        tones: that of each row, as a line has it; () for none.
        hidden: how many more rows there are.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    figures: frozenset[int] = frozenset()
    tones: Sequence[str] = field(default=())
    hidden: int = 0
    kind: str = "grid"


Block = Heading | Line | Command | Grid


def fragment(blocks: Sequence[Block]) -> str:
    """What a notebook shows below a cell."""
    return rendered("fragment.html.jinja", blocks=blocks)


def page(title: str, blocks: Sequence[Block]) -> str:
    """One HTML file that needs nothing else.

    Args:
        title: its headline.
        blocks: what stands below.
    """
    return rendered("page.html.jinja", title=title, blocks=blocks)
