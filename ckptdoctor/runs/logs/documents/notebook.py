"""Executed notebooks: what their cells printed, and the tables that they showed."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from ckptdoctor.runs.logs.documents.document import Document, Part, Unread
from ckptdoctor.runs.logs.documents.json_text import bare_name, parsed

__all__ = ["NOTEBOOK"]

_MOST_HTML = 1_000_000
_MOST_CELL = 200


def _recognises(head: bytes, path: Path) -> bool:
    if not head.lstrip().startswith(b"{"):
        return False
    return b'"cells"' in head[:4096] or bare_name(path.name).endswith(".ipynb")


def _read(text: bytes, path: Path) -> Iterator[Part]:  # noqa: ARG001
    try:
        notebook = parsed(text.decode("utf-8", "replace")).value
    except ValueError as error:
        yield Unread(text=f"no notebook: {error}")
        return
    for output in _outputs(notebook):
        yield from _lines_of(output)


def _outputs(notebook: object) -> Iterator[dict[str, object]]:
    """What the cells show; before version 4 they lie in worksheets."""
    for sheet in (notebook, *_dicts(notebook, "worksheets")):
        for cell in _dicts(sheet, "cells"):
            yield from _dicts(cell, "outputs")


def _dicts(value: object, key: str) -> list[dict[str, object]]:
    found = value.get(key) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _lines_of(output: dict[str, object]) -> Iterator[bytes]:
    """A stream as it was printed; of a value that was shown the table, else its text."""
    data = output.get("data", output)
    if not isinstance(data, dict):
        return
    html = _text(data.get("text/html", data.get("html")))
    if "<table" in html:
        yield from _table_lines(html[:_MOST_HTML])
        return
    text = _text(data.get("text", data.get("text/plain")))
    yield from (line.rstrip(b"\r") for line in text.encode("utf-8", "replace").split(b"\n"))


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


# -- tables --------------------------------------------------------------------------------------


class _Cells(HTMLParser):
    """The cells of the tables in a page, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def _table_lines(html: str) -> Iterator[bytes]:
    cells = _Cells()
    cells.feed(html)
    for table in cells.tables:
        rows = [row for row in table if row]
        for at, row in enumerate(rows):
            clean = (" ".join(cell.split()).replace("|", "/")[:_MOST_CELL] for cell in row)
            yield f"| {' | '.join(clean)} |".encode("utf-8", "replace")
            if at == 0:
                yield b"|" + b"---|" * len(row)


NOTEBOOK = Document(what="an executed notebook", recognises=_recognises, read=_read)
