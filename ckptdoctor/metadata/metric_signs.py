"""What no name of a metric is without: a look that spares most names a closer one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ckptdoctor.metadata.metric_spellings import SPELLINGS_OF
from ckptdoctor.metadata.metric_words import KNOWN, KNOWN_BEST, UNDIRECTED

__all__ = ["METRIC_SIGNS", "PROMISING"]

_LONG = 4  # letters: a shorter word stands in too many others to be looked for within them
_COMMON = frozenset(
    """
    mean norm rate value index match weighted average root point quality metric all log rank
    distance error absolute signal
    """.split()
)
_SIZED = ("aps", "apm", "apl", "ars", "arm", "arl", "top", "prec", "is\\d+k")


def _sign(term: str) -> str:
    """The word of a term that the fewest other names have."""
    return max(term.split(), key=lambda word: (word not in _COMMON, len(word)))


def _one_of(words: Iterable[str]) -> str:
    """An expression for any of some words, by their first letter, which is faster."""
    return "|".join(
        f"{letter}(?:{'|'.join(word[1:] for word in group)})"
        for letter, group in itertools.groupby(sorted(words), key=lambda word: word[0])
    )


_SPELLINGS = itertools.chain.from_iterable(SPELLINGS_OF.values())
_SIGNS = {_sign(term) for term in (*KNOWN, *UNDIRECTED, *_SPELLINGS)} | KNOWN_BEST
_LONG_ONES = {sign for sign in _SIGNS if len(sign) >= _LONG}


def _parts(word: str) -> Iterator[str]:
    """What a word has within it, of the length of a sign."""
    for size in range(_LONG, len(word)):
        yield from (word[start : start + size] for start in range(len(word) - size + 1))


_WITHIN = {sign for sign in _LONG_ONES if _LONG_ONES.isdisjoint(_parts(sign))}
_ALONE = {sign for sign in _SIGNS if len(sign) < _LONG}.union(_SIZED)
METRIC_SIGNS = (
    rf"(?i:{_one_of(_WITHIN)})"
    rf"|(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=val)|(?<=valid)|(?<=train)|(?<=test))(?:(?i:{_one_of(_ALONE)})(?![a-z])"
    r"|IS(?![A-Za-z])|OA(?![A-Za-z])|(?i:(?:h?r|p|pass)@\d|r\^2|rank[-_]\d))"
)
"""An expression for what a name, or a line with names, has to have to tell of a metric."""
PROMISING = re.compile(METRIC_SIGNS)
