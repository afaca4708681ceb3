"""Files to what is kept of them, shared out among copies of this process.

Python does one thing at a time, so of many small files threads read no more than one does.
"""

from __future__ import annotations

import contextlib
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
    shares = _shares(found, how.copies + 1)
    kept: dict[int, tuple[Member, Kept]] = {}
    alone = replace(how, jobs=1)
    with contextlib.ExitStack() as stack:
        copies: list[Copy[_Found]] = []
        for share in shares[1:]:
            with contextlib.suppress(OSError):  # no more of them: the share is read here
                work = partial(_there, [found[at] for at in share], alone)
                copies.append(Copy(work, partial(_told, how), copies))
                stack.callback(copies[-1].end)
        keeper = Keeper(how, layouts)

        def read_here(share: Sequence[int], how: Examination) -> None:
            files = [found[at] for at in share]
            kept.update(zip(share, measure(files, how, keeper.kept), strict=True))

        read_here(shares[0], alone)
        for share in shares[1 + len(copies) :]:
            read_here(share, how)
        for share, copy in zip(shares[1:], copies, strict=False):
            try:
                there = copy.result()
            except LostCopyError:
                read_here(share, how)
                continue
            kept.update(zip(share, _taken(there, how, layouts), strict=True))
    return [kept[at] for at in range(len(found))]


def in_shares(work: Callable[[int], T], count: int) -> list[T]:
    """What comes of each share of some work, in order; the first share is done here.

    What a copy was to do that ended before it was done is done here.

    Args:
        work: does a share, by its number; must not compute by torch's library.
        count: how many shares.
    """
    with contextlib.ExitStack() as stack:
        copies: list[Copy[T]] = []
        for share in range(1, count):
            with contextlib.suppress(OSError):  # no more of them
                copies.append(Copy(partial(_alone, work, share), _unheard, copies))
                stack.callback(copies[-1].end)
        done = [work(0)]
        for share, copy in enumerate(copies, 1):
            try:
                done.append(copy.result())
            except LostCopyError:
                done.append(work(share))
        return done + [work(share) for share in range(1 + len(copies), count)]


def _alone(work: Callable[[int], T], share: int, _: Tell) -> T:
    return work(share)


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
