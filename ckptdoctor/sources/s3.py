"""Ranges of objects in S3, put where they stay as they come.

s3fs joins the pieces of an answer, botocore computes a checksum in Python's thread of all requests
where an object is read from end to end, and neither tells of which version the bytes are. That is
half of what a download costs; a scan computes the checksums that the file itself holds.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Range", "s3_range"]


class Range(bytearray):
    """Bytes of an object, and what tells its version as long as they came.

    Attributes:
        etag: "" where the store did not tell.
    """

    etag: str = ""


async def s3_range(system: Any, path: str, start: int, end: int) -> Range:
    """A range of an object; shorter where the answer is.

    Args:
        system: s3fs's file system, in whose loop this runs.
        path: bucket and key.
        start: its first byte.
        end: the byte behind it.

    Raises:
        Exception: as s3fs and its libraries raise.
    """
    bucket, key, version = system.split_path(path)
    more = {"VersionId": version} if version else {}
    asked = f"bytes={start}-{end - 1}"
    answer = await system._call_s3("get_object", Bucket=bucket, Key=key, Range=asked, **more)  # noqa: SLF001
    body, at = answer["Body"], 0
    found = Range(end - start)
    found.etag = str(answer.get("ETag") or "")
    room = memoryview(found)
    try:
        async for piece in _pieces(body):
            if at + len(piece) > len(found):
                raise ConnectionError("the answer is longer than what was asked for")
            room[at : at + len(piece)] = piece
            at += len(piece)
    finally:
        room.release()
        body.close()
    del found[at:]
    return found


def _pieces(body: Any) -> Any:
    """The pieces of an answer as they come from the network, or all of it."""
    content = getattr(getattr(body, "_raw_stream", body), "content", None)  # aiohttp's
    come = getattr(content, "iter_any", None)
    return _whole(body) if come is None else come()


async def _whole(body: Any) -> Any:
    yield await body.read()
