"""Ranges of objects in S3, put where they stay as they come.

s3fs joins the pieces of an answer, botocore computes a checksum in Python's thread of all requests
where an object is read from end to end, and neither tells of which version the bytes are. That is
half of what a download costs; a scan computes the checksums that the file itself holds.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.rooms import rooms

__all__ = ["Range", "impatient", "part_nbytes", "s3_range"]

_SILENT_S = 60.0
_CANCELLED_S = 1.0
_COPIED_S = 600.0
"""A copy within the store, or the end of an upload in parts, takes minutes; S3 lets a space go now
and then meanwhile, and where none comes botocore asks anew after 15 s, five times."""
_LONG = frozenset({"complete_multipart_upload", "copy_object", "upload_part_copy"})
"""All else is answered by a page, or begun to be answered, in no time once it was sent."""
_PARTS_AT_ONCE = 4
_PART_NBYTES = 16 << 20
_MOST_PARTS = 10_000


def impatient(system: Any) -> Any:
    """The same store, where no silence is waited out for longer than a minute.

    botocore asks five times, s3fs that five times, each time waiting for 15 s: a server that takes
    questions and answers none holds for six minutes what asks once; one that takes no more of what
    is uploaded, for ever.

    Args:
        system: of fsspec's; any but S3's is given back.
    """
    if not hasattr(system, "_call_s3"):
        return system
    from fsspec.asyn import mirror_sync_methods

    kind = type(system)
    found = object.__new__(kind)  # the user's own stays as patient as it was
    own = {name: it for name, it in vars(system).items() if not hasattr(kind, f"_{name}")}
    vars(found).update(own)  # without those that wait for a coroutine of the user's own
    found.retries = 1  # whoever asks this one asks again
    found.max_concurrency = _PARTS_AT_ONCE  # of each a part lies in memory

    async def call(method: str, *terms: Any, **named: Any) -> Any:
        body = named.get("Body")
        moving = _Moving(body) if isinstance(body, bytes) else None
        if moving is not None:
            named["Body"] = moving
        asked = kind._call_s3(found, method, *terms, **named)  # noqa: SLF001
        return await _heard(asked, moving, _COPIED_S if method in _LONG else _SILENT_S)

    found._call_s3 = call
    mirror_sync_methods(found)
    return found


class _Moving(io.BytesIO):
    """What is uploaded, and how often some of it was taken to be sent."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.taken += 1
        return super().read(size)


async def _heard(asked: Any, moving: _Moving | None, silent_s: float) -> Any:
    """What a store answers, unless it neither answers nor takes what is sent.

    Raises:
        ConnectionError: it is silent for so long.
    """
    task, taken = asyncio.ensure_future(asked), -1
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=silent_s)
            if done:
                return task.result()
            if moving is None or moving.taken == taken:
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCELLED_S)
                raise ConnectionError(f"no answer within {silent_s:.0f} s")
            taken = moving.taken
    finally:
        task.cancel()


def part_nbytes(nbytes: int) -> int:
    """In parts of which size a file is uploaded: S3 takes 10,000 of them, each of 5 MiB or more."""
    return max(_PART_NBYTES, -(-nbytes // _MOST_PARTS))


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of an object, and what tells its version as long as they came.

    Attributes:
        data: the bytes.
        etag: "" where the store did not tell.
    """

    data: memoryview
    etag: str = ""


async def s3_range(system: Any, path: str, start: int, end: int) -> Range:
    """A range of an object, all of it.

    Args:
        system: s3fs's file system, in whose loop this runs.
        path: bucket and key.
        start: its first byte.
        end: the byte behind it.

    Raises:
        ConnectionError: the answer is shorter or longer.
        Exception: as s3fs and its libraries raise.
    """
    bucket, key, version = system.split_path(path)
    more = {"VersionId": version} if version else {}
    asked = f"bytes={start}-{end - 1}"
    answer = await system._call_s3("get_object", Bucket=bucket, Key=key, Range=asked, **more)  # noqa: SLF001
    body, at, nbytes = answer["Body"], 0, end - start
    room = rooms.room(nbytes)
    try:
        async for piece in _pieces(body):
            if at + len(piece) > nbytes:
                raise ConnectionError("the answer is longer than what was asked for")
            room[at : at + len(piece)] = piece
            at += len(piece)
    finally:
        body.close()
    if at < nbytes:
        raise ConnectionError(f"the answer ends after {at} of {nbytes} bytes")
    return Range(room, str(answer.get("ETag") or ""))


def _pieces(body: Any) -> Any:
    """The pieces of an answer as they come from the network, or all of it."""
    content = getattr(getattr(body, "_raw_stream", body), "content", None)  # aiohttp's
    come = getattr(content, "iter_any", None)
    return _whole(body) if come is None else come()


async def _whole(body: Any) -> Any:
    yield await body.read()
