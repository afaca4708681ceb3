"""Numbers as programs spell them: ``np.float64(nan)``, ``1.#QNAN``, ``1,234.5``, ``0,64``."""

from __future__ import annotations

import re

__all__ = ["NUMBER", "has_decimal_comma", "number_spelled", "plain"]

NUMBER = (
    r"[-+]?(?:\d++\.?\d*+(?:[eE][-+]?\d++)?|\.\d++(?:[eE][-+]?\d++)?"
    r"|[nN][aA][nN]|[iI][nN][fF](?:inity|INITY)?)(?![\w]|\.[\w.])"
)
_WRAPPED = re.compile(
    r"(?:\b(?:np|numpy|torch|jnp|jax|tf|mx)\.)?"
    r"\b(?:b?float\d*|double|half|Decimal|[tT]ensor|[aA]rray|DeviceArray|Variable|Parameter"
    r"|scalar|item)"
    rf"\(\s{{0,9}}+['\"]?\[{{0,9}}+\s{{0,9}}+({NUMBER})\s{{0,9}}+\]{{0,9}}+['\"]?\s{{0,9}}+"
    r"(?:,\s{0,9}\w{1,40}=[^()]{0,200}(?:\([^()]{0,99}\)[^()]{0,99})?)?\)"
)
_WRAPPED_LIST = re.compile(
    r"(?:\b(?:np|numpy|torch|jnp|jax|tf)\.)?\b(?:[tT]ensor|[aA]rray)\(\s*(\[[^\[\]]*\])[^()]*\)"
)
_TF = re.compile(rf"<tf\.Tensor[^<>]*?numpy=({NUMBER})[^<>]*>")
_MSVC = re.compile(r"([-+]?)\d\.#([A-Z]{1,4})\d*", re.IGNORECASE)  # rounded, too: 1.#QO, -1.#J
_CONSTANT = re.compile(r"\b(?:np|numpy|math|torch|jnp|float)\.(nan|inf)\b", re.IGNORECASE)
_PADDED = re.compile(r"\b(nan|inf)x{1,4}\b", re.IGNORECASE)  # to six characters
_DRESSED = re.compile(
    r"(?<=[:=\s])\(\s?([-+]?(?:nan|inf))\s?\)(?=\s|$)|(?<=\bnan)\.0\b|(?<=\binf)\.0\b"
)
_PAYLOAD = re.compile(r"\b(nan)\([^()]*\)", re.IGNORECASE)  # -nan(ind), nan(snan), nan(0x7f)
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?=\.\d|[^\d,.]|$)")
_SURE_COMMA = re.compile(
    r"(?<=[:=\s])([-+]?)(0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?=(?:[eE][-+]?\d+)?(?:[\s;|%)]|,\s|$))"
)
_COMMA = re.compile(r"(?<=[:=\s])([-+]?\d+),(\d+)(?=(?:[eE][-+]?\d+)?(?:[\s;|%)]|,\s|$))")


def has_decimal_comma(text: str) -> bool:
    """Whether a line has a number with a decimal comma that can be nothing else."""
    return "," in text and _SURE_COMMA.search(text) is not None


def plain(text: str, *, commas: bool = False) -> str:
    """The line with its numbers as Python reads them.

    Args:
        text: of a log.
        commas: whether its decimals are known to stand behind commas: else 1,234 is a thousand.
    """
    if "nan" in text or "inf" in text:
        text = _DRESSED.sub(lambda found: found[1] or "", text)
    if "(" in text:
        text = _PAYLOAD.sub(r"\1", text)
        text = _WRAPPED_LIST.sub(r"\1", _WRAPPED.sub(r"\1", text))
    if "<tf" in text:
        text = _TF.sub(r"\1", text)
    if ".n" in text or ".i" in text:
        text = _CONSTANT.sub(r"\1", text)
    if "nx" in text or "fx" in text:
        text = _PADDED.sub(r"\1", text)
    if "#" in text:
        text = _MSVC.sub(_of_msvc, text)
    if "∞" in text:
        text = text.replace("∞", "inf")
    if "," in text:
        if commas:
            return _COMMA.sub(r"\1.\2", text)
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
        text = _SURE_COMMA.sub(lambda found: found[0].replace(",", "."), text)
    return text


def number_spelled(text: str) -> float | None:
    """The number that a program spelled: ``tensor(nan)``, ``64.1%``, ``0,64``; None of others."""
    bare = plain(f"={text.strip()}").removeprefix("=").rstrip("%")
    try:
        return float(bare)
    except ValueError:
        return None


def _of_msvc(found: re.Match[str]) -> str:
    """NaN and infinity, and what rounding to few digits made of these words."""
    is_infinite = found[2].upper() in ("INF", "IO") or (found[2].upper() == "J" and not found[1])
    return f"{found[1]}inf" if is_infinite else "nan"
