"""Reading bytes of a file that may be cut while it is read."""

from __future__ import annotations

from ckptdoctor.sources import descriptors

__all__ = ["FileShrankError", "read_into"]


class FileShrankError(Exception):
    """The file ended before the bytes that its own header promised when it was opened."""


def read_into(buffer: memoryview, fd: int, offset: int) -> None:
    """Fill a buffer from an offset of the file.

    Raises:
        FileShrankError: the file ends first.
        OSError: it cannot be read.
    """
    done, nbytes = descriptors.read_into(fd, buffer, offset), len(buffer)
    while done < nbytes:
        more = descriptors.read_into(fd, buffer[done:], offset + done)
        if more == 0:
            raise FileShrankError
        done += more
