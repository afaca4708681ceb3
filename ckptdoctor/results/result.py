"""What every result can do: be a dictionary, a data frame, a page, and a table below a cell."""

from __future__ import annotations

import difflib
import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ckptdoctor.render.html.blocks import Block
    from ckptdoctor.report import RunReport

__all__ = ["Result", "ResultOfRuns", "named_one"]

Item = TypeVar("Item")
_NEAR = 3
_MOST_NAMED = 20


class Result:
    """What every result can do."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """What ``--format json`` of the command writes, as a dictionary.

        NaN and Inf are the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, paths are texts.
        """
        found: dict[str, Any] = json.loads(self._json())
        return found

    def to_pandas(self) -> pd.DataFrame:
        """The rows of the result as a data frame, one for each item that it iterates over.

        Raises:
            ModuleNotFoundError: pandas is not installed; the message says how to.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_pandas() needs pandas: python -m pip install pandas", name="pandas"
            ) from error
        return pd.DataFrame.from_records(self._records(), columns=list(self._columns()))

    def to_html(self) -> str:
        """The result as one HTML file that needs nothing else; write it as UTF-8."""
        from ckptdoctor.render.html.blocks import page

        return page(self._title(), tuple(self._blocks()))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ckptdoctor.render.html.blocks import fragment

        return fragment(tuple(self._blocks()))

    @abstractmethod
    def _json(self) -> str:
        """What the command writes."""

    @abstractmethod
    def _columns(self) -> Sequence[str]:
        """The names of the columns of the data frame."""

    @abstractmethod
    def _records(self) -> list[dict[str, Any]]:
        """The rows of the data frame."""

    @abstractmethod
    def _title(self) -> str:
        """The headline of the page."""

    @abstractmethod
    def _blocks(self) -> Iterable[Block]:
        """What page and notebook show."""


class _HasRuns(Protocol):
    @property
    def runs(self) -> Sequence[RunReport]: ...


class ResultOfRuns(Result):
    """What every result on runs can do as well."""

    __slots__ = ()

    def plot(self: _HasRuns, ax: Axes | None = None) -> Axes:
        """The metric of each run over its time, by matplotlib.

        Args:
            ax: to draw into; None for new ones.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the message says how to.
        """
        from ckptdoctor.results.plots import plot_histories

        return plot_histories(self.runs, ax)


def named_one(wanted: str, known: Mapping[str, Sequence[Item]], what: str) -> Item:
    """The one item with this name.

    Args:
        wanted: the name.
        known: the items by their names.
        what: an item is called.

    Raises:
        KeyError: none has that name, or several have; the message names them, or the nearest.
    """
    found = known.get(wanted, ())
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(name for name, items in known.items() if items[0] in found)
        raise KeyError(f"{wanted!r} is the name of {len(found)} {what}s: {paths}")
    near = difflib.get_close_matches(wanted, known, n=_NEAR, cutoff=0.3) or [*known][:_MOST_NAMED]
    said = f"; there is {', '.join(near)}" if near else ", and no other"
    raise KeyError(f"no {what} is called {wanted!r}{said}")
