"""What a command remembers of files: asked before they are read, told after.

A result is believed only for a file that is in every respect what it was, and for the very program
that came to it. What reads a file to copy it, or to vouch for it, never asks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ckptdoctor.cache.database import Database, Row
from ckptdoctor.cache.packing import Packer
from ckptdoctor.cache.place import cache_folder, is_wanted
from ckptdoctor.cache.program import fingerprint
from ckptdoctor.cache.result import FileState, Result
from ckptdoctor.cache.texts import figures_and_names, says_the_same, withholds
from ckptdoctor.cache.unpacking import Structures
from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part, PartRole
from ckptdoctor.layouts.zero_shares import ZeroShare
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import manifest_path
from ckptdoctor.places import looks_into
from ckptdoctor.sources.descriptors import is_far, key_of, mark_of

__all__ = ["Learnt", "Memory", "Question", "Recall", "memory_for"]

_SETTLED_NS = 2_000_000_000
"""Whoever wrote a file within this time may write again without a change of its times: those of
FAT, and of old network folders, are that coarse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A file about which something is asked.

    Attributes:
        path: the file, as the user named it.
        part: what it is of a checkpoint of several; None for a single file.
        key: of the file and of what is asked.
        state: what the file was just before.
        settled: whether it had been left alone for long enough then.
    """

    path: Path
    part: Part | None
    key: bytes
    state: FileState
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """How much was remembered.

    Attributes:
        files: of how many files.
        of: how many were asked for.
        oldest, newest: when they were read, in seconds since 1970; 0 where none was.
    """

    files: int
    of: int
    oldest: int = 0
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was asked and kept, by the keys of files.

    Attributes:
        asked: all that was asked for.
        read_at: when those were read that were remembered.
        kept: when those were read that are remembered from now on.
    """

    asked: set[bytes]
    read_at: dict[bytes, int]
    kept: dict[bytes, int]


class Memory:
    """What is remembered, for the time of one command.

    Args:
        folder: where it lies.
        program: which program asks, and answers.
    """

    def __init__(self, folder: Path, program: bytes) -> None:
        self._folder = folder
        self._database = Database(folder)
        self._program = program
        self._structures, self._packer = Structures(), Packer()
        self._asked: set[bytes] = set()
        self._read_at: dict[bytes, int] = {}
        self._kept: dict[bytes, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self) -> None:
        """Have what was kept be remembered from now on: it waits for more otherwise."""
        self._database.flush()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    @property
    def recall(self) -> Recall:
        """How much was remembered so far."""
        return self._recall_of(self._read_at)

    @property
    def known(self) -> Recall:
        """How much is remembered now, what was read just now as well."""
        return self._recall_of(self._kept | self._read_at)

    def again(self) -> Memory:
        """The same anew, for a copy of this process: it must not touch what another has open."""
        return Memory(self._folder, self._program)

    @property
    def learnt(self) -> Learnt:
        """What was asked and kept so far."""
        return Learnt(self._asked, self._read_at, self._kept)

    def learn(self, learnt: Learnt) -> None:
        """Count what another has asked and kept, who remembers in the same place."""
        self._asked |= learnt.asked
        self._read_at |= learnt.read_at
        self._kept |= learnt.kept

    def _recall_of(self, read_at: Mapping[bytes, int]) -> Recall:
        times = read_at.values()
        return Recall(
            files=len(times),
            of=len(self._asked),
            oldest=min(times, default=0),
            newest=max(times, default=0),
        )

    @property
    def aside(self) -> Path | None:
        """Where a damaged or foreign database was put; None where there was none."""
        return self._database.aside

    def holds_all(self, found: Iterable[CheckpointFiles]) -> bool:
        """Whether, as far as can be seen at once, no file of these checkpoints has to be read."""
        return all(
            self.holds(part.path, None if files.is_single else part)
            for files in found
            for part in files.parts
            if part.form is not Form.TEXT
        )

    def holds(self, path: Path, part: Part | None) -> bool:
        """Whether, as far as can be seen at once, a file has not to be read."""
        asked = _question(path, part)
        return asked is not None and self._database.holds(asked.key, self._program, asked.state)

    def ask(self, path: Path, part: Part | None) -> Question | None:
        """A question about a file; None about one that is read each time."""
        asked = _question(path, part)
        looks_into(path.parent)
        self._asked.add(asked.key if asked is not None else os.fsencode(path))
        return asked

    def result(self, asked: Question) -> Result | None:
        """What was said of the file when it was read last; None where it has to be read."""
        row = self._database.row(asked.key, self._program, asked.state)
        if row is None:
            return None
        try:
            result = self._structures.unpacked(row.found, asked.path, asked.state)
        except ValueError:
            return None
        self._read_at[asked.key] = row.read_at
        return result

    def forget(self, asked: Question) -> None:
        """Count a result as not remembered: it turned out not to be about this."""
        self._read_at.pop(asked.key, None)

    def keep(self, asked: Question, result: Result, state: FileState, seen: Checkpoint) -> None:
        """Remember what was said of a file, unless it must not be.

        Args:
            asked: what was asked before it was read.
            result: what came of it.
            state: what the file was when it had been read.
            seen: the checkpoint as the rules see it.
        """
        if not asked.settled or _is_never_kept(asked, result, seen):
            return
        with contextlib.suppress(OSError, ValueError, RecursionError):
            if state != asked.state or FileState.of(asked.path) != asked.state:
                return
            scalars = figures_and_names(result.checkpoint.scalars)
            plain = replace(result, checkpoint=replace(result.checkpoint, scalars=scalars))
            row = Row(
                key=asked.key,
                program=self._program,
                state=asked.state,
                found=self._packer.packed(plain),
                read_at=int(time.time()),
            )
            self._database.keep(row)
            self._kept[asked.key] = row.read_at


def _question(path: Path, part: Part | None) -> Question | None:
    """A question about a file; None about what is read each time.

    That is what is no plain file, or cannot be opened, and what a manifest vouches for.
    """
    now = time.time_ns()
    try:
        asked = None if part is None else _asked_of(part)
        state = _state(path)
    except (OSError, ValueError):
        return None
    if part is None and os.path.lexists(manifest_path(path)):
        return None
    place = key_of(path) or os.path.abspath(path)  # noqa: PTH100  (absolute() keeps "..")
    text = repr((place, asked))
    return Question(
        path=path,
        part=part,
        key=hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest(),
        state=state,
        settled=now - max(state.mtime_ns, state.ctime_ns) >= _SETTLED_NS,
    )


def _state(path: Path) -> FileState:
    """What a file is, asked of the file and not of its name: a network folder looks anew then.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no plain file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("a device, or a FIFO")
    if is_far(path):
        if not mark_of(path):
            raise ValueError("nothing tells when it changes")
        return FileState.of(path)
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        return FileState.of(fd)
    finally:
        os.close(fd)


def _asked_of(part: Part) -> tuple[object, ...]:
    """All that a result on a part depends on, beside the file.

    Raises:
        OSError: a file that describes it is not there.
        ValueError: it is described in a way that is not known here.
    """
    described = part.described
    told: object = None
    if isinstance(described, FileSlices):
        told = described.items
    elif isinstance(described, ZeroShare):
        told = described.rank, [(str(path), FileState.of(path)) for path in described.models]
    elif described is not None and described.path != part.path:  # a .metadata describes itself
        raise ValueError("another file")
    return (part.form.value, part.role.value, part.prefix, part.name, part.member, told)


def _is_never_kept(asked: Question, result: Result, seen: Checkpoint) -> bool:
    """Whether a result must not be remembered.

    Not that on a file that would run code: it is looked at each time. Not that on one that changed
    meanwhile, nor a sentence with the path as it was spelled this time. And not that on a file
    whose texts tell what its figures do not, because texts are not kept.
    """
    checkpoint = result.checkpoint
    if checkpoint.calls or any(use.runs_code for use in checkpoint.globals):
        return True
    problems = (*checkpoint.problems, *result.problems)
    if problems and str(asked.path) in repr(problems):
        return True
    if any(problem.code == "CD109" for problem in problems):
        return True
    if not withholds(seen.scalars):
        return False
    if asked.part is not None and asked.part.role is PartRole.SCHEDULER:
        return True  # two of them are compared by all that they hold
    return not says_the_same(seen, replace(seen, scalars=figures_and_names(seen.scalars)))


def memory_for(*, wanted: bool) -> Memory | None:
    """What this user's commands remember; None where they do not.

    Args:
        wanted: whether the user lets it.
    """
    if not wanted or not is_wanted():
        return None
    folder = cache_folder()
    if folder is None:
        return None
    try:
        return Memory(folder, fingerprint())
    except OSError:  # the program lies in an archive
        return None
