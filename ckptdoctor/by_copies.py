"""Files to what is kept of them, shared out among copies of this process.

Python does one thing at a time, so of many small files threads read no more than one does.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from ckptdoctor.cache.memory import Learnt
from ckptdoctor.executors.copy_of_us import Copy, LostCopyError, Tell
from ckptdoctor.keeper import Keeper, Kept
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.measure import Examination, measure
from ckptdoctor.places import looking, looks_into
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.scanning.preload import wait_until_preloaded

__all__ = ["in_shares", "measured_by_copies"]

T = TypeVar("T")
U = TypeVar("U")

_TOGETHER = 8
"""Files side by side are most often alike; so many of them go to one process."""
_TELLS_EACH_S = 0.2


@dataclass(frozen=True, slots=True)
class _Found:
    """What a copy has found.

    Attributes:
        kept: of each of its checkpoints.
        looks: folders that it looked into.
        learnt: what is remembered now; None where nothing is.
    """

    kept: list[tuple[Member, Kept]]
    looks: set[str]
    learnt: Learnt | None


def measured_by_copies(
    found: Sequence[CheckpointFiles], how: Examination, layouts: dict[Layout, Layout]
) -> list[tuple[Member, Kept]]:
    """What a keeper keeps of every checkpoint, in order.

    A checkpoint of several files is read here: what its layout knows cannot always be sent. So is
    what a copy was to read that ended before it was done.

    Args:
        found: the checkpoints.
        how: options, with the number of copies.
        layouts: the models that were met.
    """
    wait_until_preloaded()
    places = _shares(found, how.copies + 1)
    shares = [[found[at] for at in share] for share in places]
    alone, keeper = replace(how, jobs=1), Keeper(how, layouts)

    def read_here(share: int) -> list[tuple[Member, Kept]]:
        # While the first share is read the others are at work, and have cores of their own.
        return measure(shares[share], how if share else alone, keeper.kept)

    kept = _by_all(
        read_here,
        lambda share, tell: _there(shares[share], alone, tell),
        lambda there: list(_taken(there, how, layouts)),
        len(shares),
        partial(_told, how),
    )
    chain = itertools.chain.from_iterable
    by_place = dict(zip(chain(places), chain(kept), strict=True))
    return [by_place[at] for at in range(len(found))]


def in_shares(work: Callable[[int], T], count: int) -> list[T]:
    """What comes of each share of some work, in order; the first share is done here.

    What a copy was to do that ended before it was done is done here.

    Args:
        work: does a share, by its number; must not compute by torch's library.
        count: how many shares.
    """
    return _by_all(work, lambda share, _: work(share), lambda done: done, count, _unheard)


def _by_all(
    here: Callable[[int], T],
    there: Callable[[int, Tell], U],
    taken: Callable[[U], T],
    count: int,
    told: Tell,
) -> list[T]:
    """What comes of each share, in order: of the first here, of each other by a copy.

    Args:
        here: does a share in this process: the first, and those for which there is no copy.
        there: does a share in a copy.
        taken: makes of what a copy sent what it would be here.
        count: how many shares.
        told: told of what copies tell.
    """
    with contextlib.ExitStack() as stack:
        copies: list[Copy[U]] = []
        for share in range(1, count):
            with contextlib.suppress(OSError):  # the system gives no more of them
                copies.append(Copy(partial(there, share), told, copies))
                stack.callback(copies[-1].end)
        done = [here(0)]
        for share, copy in enumerate(copies, 1):
            try:
                done.append(taken(copy.result()))
            except LostCopyError:
                done.append(here(share))
        return done + [here(share) for share in range(1 + len(copies), count)]


def _unheard(_: object) -> None:
    pass


def _shares(found: Sequence[CheckpointFiles], count: int) -> list[list[int]]:
    """Who reads which checkpoint, by its place; the first share is that of this process."""
    shares: list[list[int]] = [[] for _ in range(count)]
    single = 0
    for at, files in enumerate(found):
        if files.is_single:
            shares[single // _TOGETHER % count].append(at)
            single += 1
        else:
            shares[0].append(at)
    return shares


def _taken(
    there: _Found, how: Examination, layouts: dict[Layout, Layout]
) -> Iterable[tuple[Member, Kept]]:
    """What a copy kept, as if it had been kept here."""
    for folder in there.looks:
        looks_into(folder)
    if how.memory is not None and there.learnt is not None:
        how.memory.learn(there.learnt)
    for member, case in there.kept:
        layout = member.layout
        same = None if layout is None else layouts.setdefault(layout, layout)
        yield replace(member, layout=same), case


def _there(  # pragma: no cover  (no tracer sees into a copy)
    files: Sequence[CheckpointFiles], how: Examination, tell: Tell
) -> _Found:
    """What a copy does."""
    telling = _Telling(tell)
    memory = None if how.memory is None else how.memory.again()
    how = replace(
        how,
        memory=memory,
        progress=None if how.progress is None else telling.advance,
        expect=None if how.expect is None else telling.expect,
    )
    with looking() as looks, contextlib.ExitStack() as stack:
        if memory is not None:
            stack.enter_context(memory)
        kept = measure(files, how, Keeper(how, one_of_many=True).kept)
        telling.tell_rest()
    return _Found(kept, looks, None if memory is None else memory.learnt)


class _Telling:  # pragma: no cover
    """Tells of progress, not too often."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._begun: list[tuple[object, int]] = []
        self._done = 0
        self._last = time.monotonic()

    def expect(self, path: object, nbytes: int) -> None:
        """A file is begun."""
        self._begun.append((path, nbytes))

    def advance(self, nbytes: int) -> None:
        """Some of it is done; called by a single thread."""
        self._done += nbytes
        if time.monotonic() - self._last > _TELLS_EACH_S:
            self.tell_rest()

    def tell_rest(self) -> None:
        """Tell what was not told yet."""
        begun, self._begun = self._begun, []
        done, self._done = self._done, 0
        self._last = time.monotonic()
        self._tell((begun, done))


def _told(how: Examination, told: object) -> None:
    """What a copy says of its progress."""
    begun, done = cast("tuple[list[tuple[Path, int]], int]", told)
    for path, nbytes in begun:
        if how.expect is not None:
            how.expect(path, nbytes)
    if how.progress is not None:
        how.progress(done)
