"""A file's name taken apart: its words, and its numbers with the word that each follows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata.metric_names import metric_tail

__all__ = ["NameNumber", "NameParts", "name_parts"]

_ENDINGS = frozenset(
    """
    pth pt tar ckpt chkpt bin safetensors pkl pickle th model state params weights pyt torch joblib
    gz bz2 xz zip zst distcp dcp index json tmp npz h5
    """.split()
)
_CLOCK_WORDS = frozenset(
    """
    epoch epochs ep step steps iter iters iteration iterations itr checkpoint checkpoints ckpt ckpts
    chkpt chkpnt chk snapshot snap globalstep update updates
    """.split()
)
_SHORT_CLOCK_WORDS = frozenset({"e", "s", "it", "i", "n"})  # clocks only right before a number
_TOKENS = re.compile(
    r"(?P<word>[^\W\d_]+)"
    # Two dots make a version or a date, whose numbers stand for themselves.
    r"|(?P<decimal>(?<![\d.])\d+\.\d+(?:e-\d+)?(?!\.?\d)|(?<![\d.])\d+e-\d+(?!\.?\d))"
    r"|(?P<whole>\d+)",
    re.IGNORECASE,
)
_MAX_DIGITS = 300  # a longer number is no float


@dataclass(frozen=True, slots=True, kw_only=True)
class NameNumber:
    """A number in a file's name.

    Attributes:
        word: the letters before it, in lower case; "" where another number or nothing is.
        value: what it says; of ``loss=-0.3`` the sign too.
        text: as it stands in the name.
        is_decimal: whether it has a point or an exponent.
        start: where it begins in the name.
    """

    word: str
    value: int | float
    text: str
    is_decimal: bool
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """What a file's name is made of, without its endings.

    Attributes:
        stem: the name without its endings.
        words: in lower case and in order, every one.
        numbers: in order.
        family: the words without those that tell the time (``epoch``, ``ckpt``) or name a score
            whose value follows: what the files of one run share.
    """

    stem: str
    words: tuple[str, ...]
    numbers: tuple[NameNumber, ...]
    family: tuple[str, ...]


def name_parts(path: Path) -> NameParts:
    """The words and numbers of a file's name, or of a folder's.

    ``unet-epoch2_val_iou=0.64.pth.tar`` has the words unet, epoch, val and iou, the numbers 2
    and 0.64, and is of the family unet.
    """
    return _parts_of(path.name)


@functools.lru_cache(maxsize=1 << 13)  # each name is asked for by all who look at its file
def _parts_of(full: str) -> NameParts:
    name = _without_endings(full)
    words: list[str] = []
    numbers: list[NameNumber] = []
    family: list[str] = []
    latest: list[str] = []  # the words since the last number
    for found in _TOKENS.finditer(name):
        if found["word"]:
            latest.append(found["word"].lower())
            continue
        number = _number(found, name, latest[-1] if latest else "")
        numbers.append(number)
        words += latest
        family += _lasting(latest, number)
        latest = []
    return NameParts(
        stem=name,
        words=(*words, *latest),
        numbers=tuple(numbers),
        family=(*family, *_lasting(latest, None)),
    )


def _without_endings(name: str) -> str:
    """The name without ``.pth.tar``; ``.31`` in ``loss=0.31`` is no ending, nor ``.best``."""
    while (dot := name.rfind(".")) > 0 and name[dot + 1 :].lower() in _ENDINGS:
        name = name[:dot]
    return name


def _number(found: re.Match[str], name: str, word: str) -> NameNumber:
    text, start, is_decimal = found[0], found.start(), found["decimal"] is not None
    value: int | float = float(text) if is_decimal else int(text[:_MAX_DIGITS])
    if name[:start].endswith("=-"):
        text, start, value = f"-{text}", start - 1, -value
    return NameNumber(word=word, value=value, text=text, is_decimal=is_decimal, start=start)


def _lasting(words: list[str], number: NameNumber | None) -> Iterator[str]:
    """The words before a number, or before the end, that do not tell of one file alone."""
    if number is not None and number.is_decimal:
        words = words[: len(words) - metric_tail(words)]
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in _CLOCK_WORDS or (word == "global" and following in ("step", "steps")):
            continue
        if word in _SHORT_CLOCK_WORDS and not following and number is not None:
            continue
        yield word
