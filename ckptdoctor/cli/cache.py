"""``ckptdoctor cache``: what is remembered of files, where, and how to clear it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit

if TYPE_CHECKING:
    from ckptdoctor.cache.holdings import Holdings

__all__ = ["cache"]


class _Format(Enum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"


def cache(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that is remembered.")] = False,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write it.")
    ] = _Format.TABLE,
) -> int:
    """Show what is remembered of files that were read: where it lies, and what it takes.

    scan, rank, history and plan read a file once, until it changes. Kept are names and figures, no
    texts and no weights. CKPTDOCTOR_NO_CACHE=1 turns it off, CKPTDOCTOR_CACHE_DIR moves it.
    """
    from ckptdoctor.cache.holdings import clear as clear_all
    from ckptdoctor.cache.holdings import holdings
    from ckptdoctor.cli.output import note, write_result

    before = holdings()
    if clear:
        try:
            clear_all()
        except OSError as error:
            note(f"cannot be cleared: {error}")
            return Exit.REFUSED
    now = holdings() if clear else before
    freed = before.nbytes - now.nbytes if clear else None
    write_result(_json(now, freed) if fmt is _Format.JSON else _text(now, freed), None)
    return Exit.OK


def _text(found: Holdings, freed: int | None) -> str:
    from ckptdoctor.render.text import bytes_text, plural, printable

    lines = [] if freed is None else [f"cleared: {bytes_text(freed)}"]
    place = "nowhere" if found.folder is None else printable(str(found.folder))
    most = bytes_text(found.most_nbytes)
    lines += [
        f"place    {place}",
        f"size     {bytes_text(found.nbytes)} of at most {most}",
        f"results  of {plural(found.results, 'file')}",
        *(f"aside    {printable(str(path))}" for path in found.aside),
    ]
    if not found.wanted:
        lines.append("off      CKPTDOCTOR_NO_CACHE is set: nothing is remembered")
    if found.why_not:
        lines.append(f"off      {printable(found.why_not)}")
    return "\n".join(lines) + "\n"


def _json(found: Holdings, freed: int | None) -> str:
    from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump

    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "folder": None if found.folder is None else str(found.folder),
            "nbytes": found.nbytes,
            "most_nbytes": found.most_nbytes,
            "results": found.results,
            "aside": [str(path) for path in found.aside],
            "wanted": found.wanted,
            "why_not": found.why_not,
            "cleared_nbytes": freed,
        }
    )
