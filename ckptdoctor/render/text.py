"""Text from a file, made safe to print, and figures made short to read."""

from __future__ import annotations

import math
import re
import unicodedata

__all__ = [
    "bytes_text",
    "csv_cell",
    "markdown_cell",
    "number",
    "plural",
    "printable",
    "shorten_middle",
]

_UNITS = ("B", "kB", "MB", "GB", "TB")
_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_STARTS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # the wide ones too, for Excel
_STARTS_COMMAND = "::"  # for GitHub, which reads what a job prints
_MARKDOWN = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]|~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_LINKS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_CALLS_SOMEONE = re.compile(r"@(?=\w)|#(?=\d)")


def printable(text: object) -> str:
    """The text with every control, format and unpaired surrogate character spelled out.

    Names come from the file: an escape sequence could clear the screen, a direction mark could
    make one name look like another.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in _DANGEROUS
        else char
        for char in text
    )


def shorten_middle(text: str, width: int) -> str:
    """The text, its middle replaced by an ellipsis where it is longer than ``width``."""
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def bytes_text(nbytes: int) -> str:
    """A size in decimal units: ``307 MB``."""
    size = float(nbytes)
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit takes what is left")


def number(value: float | None) -> str:
    """A figure with four significant digits; NaN and Inf by their names."""
    if value is None:
        return "–"
    if isinstance(value, int) and abs(value) < 10**7:
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    """``1 checkpoint``, ``2 checkpoints``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def csv_cell(text: object) -> str:
    """The text for a cell of a spreadsheet, which must not take it for a formula.

    Nor a job's log for a command. Source: OWASP, CSV injection. Quotes and commas are the business
    of the csv module.
    """
    cell = printable(text)
    acts = cell.startswith(_STARTS_FORMULA) or cell.lstrip().startswith(_STARTS_COMMAND)
    return f"'{cell}" if acts else cell


def markdown_cell(text: object) -> str:
    """The text for a cell or a line of Markdown: no markup, no HTML, no link, nobody called.

    GitHub looks for ``@name`` and ``#1`` in what is rendered, where no backslash helps: a space of
    no width comes between.
    """
    cell = _LINKS.sub(r"\\\g<0>", printable(text).translate(_MARKDOWN))
    return _CALLS_SOMEONE.sub(r"\g<0>&#8203;", cell)
