"""Messages through a pipe between processes of ours: their length, and then their bytes."""

from __future__ import annotations

import struct
from typing import IO

__all__ = ["read_message", "write_message"]

_LENGTH = struct.Struct("<Q")


def write_message(pipe: IO[bytes] | None, message: bytes) -> None:
    """Send a message; to nobody where there is no pipe.

    Raises:
        OSError: whoever reads is gone.
    """
    if pipe is not None:
        pipe.write(_LENGTH.pack(len(message)))
        pipe.write(message)
        pipe.flush()


def read_message(pipe: IO[bytes] | None) -> bytes:
    """The next message, waited for.

    Raises:
        EOFError: whoever writes is gone.
    """
    head = b"" if pipe is None else pipe.read(_LENGTH.size)
    if pipe is None or len(head) < _LENGTH.size:
        raise EOFError
    (nbytes,) = _LENGTH.unpack(head)
    message = pipe.read(nbytes)
    if len(message) < nbytes:
        raise EOFError
    return message
