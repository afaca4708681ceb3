"""The log that checkpoints keep themselves: scores of all their epochs."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.runs.logs import LogReading, Row
from ckptdoctor.runs.member import Member

__all__ = ["kept_by"]


def kept_by(members: Sequence[Member]) -> LogReading:
    """What the checkpoint with the longest memory says of each epoch; nothing where none has one.

    Counted as the file counts its own epoch, which the last of the values is of.
    """
    member = max(members, key=_length, default=None)
    if member is None or not _length(member) or member.metadata.epoch is None:
        return LogReading()
    courses, epoch = member.metadata.courses, int(member.metadata.epoch)
    length = _length(member)
    rows = (
        Row(
            epoch=epoch - length + 1 + at,
            values={name: values[at] for name, values in courses.items() if at < len(values)},
            source=member.path,
        )
        for at in range(length)
    )
    return LogReading(rows=tuple(rows))


def _length(member: Member) -> int:
    return max((len(values) for values in member.metadata.courses.values()), default=0)
