"""What comes back of a file: its result as the cache packs it, and what the cache leaves out.

Between a worker and whoever asked it: both are the same program, so this is plain data for pickle.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ckptdoctor.cache.packing import Packed, Packer
from ckptdoctor.cache.result import FileState, Result
from ckptdoctor.cache.unpacking import Structures
from ckptdoctor.checkpoint import CallUse, Checkpoint, Problem, StorageRef, inode_of
from ckptdoctor.finding import Severity
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.one_file import Failed, Found

__all__ = ["Answer", "answer_of", "failed_of", "result_of"]

Rows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a file.

    Attributes:
        packed: its result without problems and calls; None where nothing could be read.
        nbytes: of a file that gave nothing, its size.
        problems: that its reader met, or why nothing could be read.
        scan_problems: that the scan met.
        manifest: what contradicts the note beside it.
        calls: calls in it that run code.
        runs: of a file that gave nothing, as in ``CheckpointError``.
        inline: which tensors, and which records, have bytes of their own; those stay where they
            were.
        state: what the file was at the end.
    """

    packed: Packed | None = None
    nbytes: int = 0
    problems: Rows = ()
    scan_problems: Rows = ()
    manifest: Rows = ()
    calls: Rows = ()
    runs: tuple[tuple[str, str], ...] = ()
    inline: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    state: FileState | None = None


def answer_of(found: Found | Failed, packer: Packer) -> Answer:
    """What came of a file, as plain data.

    Args:
        found: what came of it.
        packer: that of all files of a batch.
    """
    if isinstance(found, Failed):
        return Answer(nbytes=found.nbytes, problems=_rows(found.problems), runs=found.runs)
    checkpoint = found.result.checkpoint
    inline = _inline_in(checkpoint)
    plain = checkpoint if inline == ((), ()) else _without_bytes(checkpoint)
    plain = replace(plain, problems=(), calls=())
    return Answer(
        packed=packer.packed(replace(found.result, checkpoint=plain, problems=())),
        problems=_rows(checkpoint.problems),
        scan_problems=_rows(found.result.problems),
        manifest=_rows(found.manifest),
        calls=tuple((use.name, use.call, use.offset) for use in checkpoint.calls),
        inline=inline,
        state=found.state,
    )


def failed_of(answer: Answer) -> Failed:
    """Why a file gave nothing."""
    return Failed(nbytes=answer.nbytes, problems=_problems(answer.problems), runs=answer.runs)


def result_of(
    answer: Answer, path: Path, structures: Structures
) -> tuple[Result, Sequence[Problem]]:
    """The result, and what contradicts the note beside the file.

    Args:
        answer: of a file that gave something.
        path: the file, as it is named here.
        structures: those of the files before.
    """
    assert answer.packed is not None  # noqa: S101  (for the type checker)
    result = structures.unpacked(answer.packed, path, _state_here(path))
    checkpoint = result.checkpoint
    if answer.problems or answer.calls:  # of a sound file there are none, and a copy takes long
        checkpoint = replace(
            checkpoint,
            problems=_problems(answer.problems),
            calls=tuple(CallUse(name=a, call=b, offset=c) for a, b, c in answer.calls),
        )
    if answer.inline != ((), ()):
        checkpoint = _marked_inline(checkpoint, *answer.inline)
    if checkpoint is not result.checkpoint or answer.scan_problems:
        result = replace(result, checkpoint=checkpoint, problems=_problems(answer.scan_problems))
    return result, _problems(answer.manifest)


def _state_here(path: Path) -> FileState:
    """What the file is to this machine; nothing of it where it is gone by now."""
    try:
        status = os.stat(path)  # noqa: PTH116  (of a far file, its place in the mirror)
    except OSError:
        return FileState(device=0, inode=0, nbytes=0, mtime_ns=0, ctime_ns=0)
    return FileState(
        device=status.st_dev,
        inode=inode_of(status),
        nbytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )


def _rows(problems: Iterable[Problem]) -> Rows:
    return tuple(
        (one.code, int(one.severity), one.subject, one.message, dict(one.evidence), one.remedy)
        for one in problems
    )


def _problems(rows: Rows) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            code=code,
            severity=Severity(severity),
            subject=subject,
            message=message,
            evidence=evidence,
            remedy=remedy,
        )
        for code, severity, subject, message, evidence, remedy in rows
    )


# -- bytes that a pickle holds itself ------------------------------------------------------------


def _inline_in(checkpoint: Checkpoint) -> tuple[tuple[int, ...], tuple[int, ...]]:
    tensors, records = checkpoint.tensors, checkpoint.records
    return (
        tuple(
            at
            for at, one in enumerate(tensors)
            if one.storage is not None and one.storage.inline is not None
        ),
        tuple(at for at, one in enumerate(records) if one.inline is not None),
    )


def _without_bytes(checkpoint: Checkpoint) -> Checkpoint:
    return _each_storage(checkpoint, lambda _: True, None)


def _marked_inline(
    checkpoint: Checkpoint, tensors: Sequence[int], records: Sequence[int]
) -> Checkpoint:
    """The checkpoint with its storages known to have had bytes of their own, which are not here."""
    marked = {id(checkpoint.tensors[at].storage) for at in tensors}
    marked |= {id(checkpoint.records[at]) for at in records}
    return _each_storage(checkpoint, lambda ref: id(ref) in marked, b"")


def _each_storage(checkpoint: Checkpoint, is_meant: Any, inline: bytes | None) -> Checkpoint:
    """The checkpoint with other bytes in some of its storages; what was one object still is."""
    made: dict[int, StorageRef] = {}

    def of(ref: StorageRef) -> StorageRef:
        if id(ref) not in made:
            made[id(ref)] = replace(ref, inline=inline) if is_meant(ref) else ref
        return made[id(ref)]

    return replace(
        checkpoint,
        tensors=tuple(
            one if one.storage is None else replace(one, storage=of(one.storage))
            for one in checkpoint.tensors
        ),
        records=tuple(map(of, checkpoint.records)),
    )
