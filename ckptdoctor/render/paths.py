"""Paths shown short: below the folder that they share, and cut where they are alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ckptdoctor.render.text import shorten_middle
from ckptdoctor.sources.descriptors import is_far

__all__ = ["common_folder", "names_apart", "relative", "shorten_apart", "shown_folder"]

_WORDS = re.compile(r"\d+|[^\W\d_]+|[\W_]")
_Words = Sequence[str]


def common_folder(paths: Sequence[Path]) -> str:
    """The deepest folder that holds all of them, as the system knows it; "" where there is none."""
    if len({is_far(path) for path in paths}) > 1:
        return ""
    folders = {os.fspath(path.parent) for path in paths}
    try:
        shared = os.path.commonpath(folders) if folders else ""
        return shared if not shared or _is_shown(paths[0], shared) else ""
    except ValueError:  # absolute and relative paths, or two drives
        return ""


def _is_shown(path: Path, folder: str) -> bool:
    """Whether a folder above a path has a name of its own: not that above two stores."""
    return not is_far(path) or str(type(path)(folder)) != folder


def shown_folder(paths: Sequence[Path], folder: str) -> str:
    """A folder that holds paths, as it is shown: of far ones its URL, without keys."""
    return str(type(paths[0])(folder)) if folder and paths else folder


def relative(path: Path, root: str) -> str:
    """The path as seen from a folder; as it is where there is none."""
    return os.path.relpath(path, root) if root else str(path)


def names_apart(paths: Sequence[Path]) -> list[str]:
    """The names of the files in order, each with its folder where another has the same name."""
    names = [path.name for path in paths]
    return [
        f"{path.absolute().parent.name}/{path.name}" if names.count(path.name) > 1 else path.name
        for path in paths
    ]


# -- cut names -----------------------------------------------------------------------------------


def shorten_apart(names: Sequence[str], width: int) -> list[str]:
    """The names in order, those that are too long cut where they are alike.

    What tells them apart stays, as long as the width allows: ``segf…4_epoch_0087_val…7012.pth``
    beside ``segf…4_epoch_0088_val…7034.pth``.

    Args:
        names: printable; equal ones stay equal.
        width: characters that a name may take.
    """
    long = list(dict.fromkeys(name for name in names if len(name) > width))
    taken = {name for name in names if len(name) <= width}
    cut = [shorten_middle(name, width) for name in long]
    for way in (_by_few_words, _by_all_words, _by_ends):
        found = way(long, width)
        if found is not None and len({*found} | taken) == len(long) + len(taken):
            cut = found
            break
    short = dict(zip(long, cut, strict=True))
    return [short.get(name, name) for name in names]


def _by_few_words(names: Sequence[str], width: int) -> list[str] | None:
    """Cut but for as few words as tell names of the same build apart."""
    return _by_words(names, width, _fewest)


def _by_all_words(names: Sequence[str], width: int) -> list[str] | None:
    """Cut but for every word that differs."""
    return _by_words(names, width, lambda _, varying: varying)


def _by_words(
    names: Sequence[str],
    width: int,
    choose: Callable[[Sequence[_Words], Sequence[int]], Sequence[int]],
) -> list[str] | None:
    builds: dict[tuple[str, ...], list[_Words]] = {}
    for name in names:
        words: _Words = _WORDS.findall(name)
        builds.setdefault(tuple(_kind(word) for word in words), []).append(words)
    cut: dict[str, str] = {}
    for alike in builds.values():
        varying = [at for at, column in enumerate(zip(*alike, strict=True)) if len({*column}) > 1]
        kept = frozenset(choose(alike, varying))
        for words in alike:
            pressed = _pressed(words, kept, width)
            if pressed is None:
                return None
            cut["".join(words)] = pressed
    return [cut[name] for name in names]


def _kind(word: str) -> str:
    return "0" if word.isdecimal() else "a" if word[0].isalpha() else word


def _fewest(alike: Sequence[_Words], varying: Sequence[int]) -> list[int]:
    """Of the places that vary a few that suffice, the most telling one first."""
    chosen: list[int] = []
    apart = 1
    while apart < len(alike):
        counts = {at: _count(alike, [*chosen, at]) for at in varying if at not in chosen}
        best = max(counts, key=lambda at: counts[at])
        chosen.append(best)
        apart = counts[best]
    return chosen


def _count(alike: Sequence[_Words], places: Sequence[int]) -> int:
    return len({tuple(words[at] for at in places) for words in alike})


def _pressed(words: _Words, kept: frozenset[int], width: int) -> str | None:
    """A name with some of its words whole and the rest cut; None where there is no room."""
    pieces: list[tuple[bool, str]] = []
    for at, word in enumerate(words):
        whole = at in kept
        before = pieces.pop()[1] if pieces and not whole and not pieces[-1][0] else ""
        pieces.append((whole, before + word))
    fills = [text for whole, text in pieces if not whole]
    room = width - sum(len(text) for whole, text in pieces if whole)
    if room < len(fills):
        return None
    cut = iter(_levelled(fills, room))
    return "".join(text if whole else next(cut) for whole, text in pieces)


def _levelled(texts: Sequence[str], room: int) -> list[str]:
    """Texts cut to a common length, or a little more for the first, so that all of them fit."""
    level = 0
    while level < room and sum(min(len(text), level + 1) for text in texts) <= room:
        level += 1
    spare = room - sum(min(len(text), level) for text in texts)
    cut = []
    for text in texts:
        more = min(spare, 1) if len(text) > level else 0
        spare -= more
        cut.append(shorten_middle(text, level + more))
    return cut


def _by_ends(names: Sequence[str], width: int) -> list[str] | None:
    """Cut in the beginning and in the end that all of them share, the same way in each."""
    head = _shared_start(names)
    rests = [name[len(head) :] for name in names]
    tail = _shared_start([rest[::-1] for rest in rests])[::-1]
    middles = [rest[: len(rest) - len(tail)] for rest in rests]
    room = width - max(map(len, middles), default=0)
    if len(names) < 2 or room < bool(head) + bool(tail):
        return None
    head, tail = _levelled([head, tail], room)
    return [f"{head}{middle}{tail}" for middle in middles]


def _shared_start(texts: Sequence[str]) -> str:
    """The characters that all begin with."""
    first, last = min(texts, default=""), max(texts, default="")
    at = 0
    while at < min(len(first), len(last)) and first[at] == last[at]:
        at += 1
    return first[:at]
