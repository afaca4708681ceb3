"""The parity of a file that was just written, reckoned in a thread while the disk is at work."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from zlib_ng import zlib_ng

from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.parity.form import (
    Description,
    Parity,
    is_parity,
    parity_path,
    read_parity,
)
from ckptdoctor.recovery.publish import PlacedError, mode_to_keep, publish, temporary_beside
from ckptdoctor.sources.positioned import read_into

__all__ = ["ParityThread", "drop_stale_parity", "parity_beside", "refuse_stranger"]

# Stays in the cache between the checksum and the XOR. Of more, torch asks its other threads, and
# where their cores had other work 256 MB took 800 ms of the processor for 110.
_CHUNK_NBYTES = 1 << 18


class ParityThread:
    """Reads a file once and sums up its blocks.

    Args:
        fd: the file, written; it may be synced and read meanwhile.
        nbytes: its size.
        share: of it that can be given back.
    """

    def __init__(self, fd: int, nbytes: int, share: float) -> None:
        self._fd = fd
        self._description = Description.for_share(nbytes, share)
        self._sums = array.array("I")
        self._total = bytearray(self._description.parity_nbytes)
        self._columns = torch.frombuffer(self._total, dtype=torch.int64)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ckptdoctor-parity", daemon=True)
        self._thread.start()

    def parity(self, digest: str) -> Parity:
        """What it came to.

        Args:
            digest: of the checkpoint's records.

        Raises:
            OSError: the file could not be read.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        return Parity(
            description=self._description,
            digest=digest,
            checksums=self._sums,
            column_bytes=bytes(self._total),
        )

    def wait(self) -> None:
        """Until the file is no longer read."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._sum()
        except BaseException as error:  # noqa: BLE001  (told to who asks for the parity)
            self._error = error

    def _sum(self) -> None:
        what = self._description
        whole = what.parity_nbytes
        step = max(what.block_nbytes, _CHUNK_NBYTES // what.block_nbytes * what.block_nbytes)
        buffer = bytearray(step)
        view = memoryview(buffer)
        for start in range(0, what.nbytes, whole):
            for column in range(0, min(whole, what.nbytes - start), step):
                wanted = min(step, whole - column, what.nbytes - start - column)
                self._read(view[:wanted], start + column)
                self._add(buffer, wanted, column)

    def _read(self, into: memoryview, offset: int) -> None:
        done = 0
        while done < len(into):
            got = read_into(self._fd, into[done:], offset + done)
            if not got:
                raise OSError("the file was cut while its parity was reckoned")
            done += got

    def _add(self, buffer: bytearray, nbytes: int, column: int) -> None:
        """Checksums of the blocks in a buffer, and the buffer added to its columns."""
        size = self._description.block_nbytes
        view = memoryview(buffer)
        for at in range(0, nbytes, size):
            self._sums.append(zlib_ng.crc32(view[at : min(at + size, nbytes)]))
        rest = -nbytes % 8
        if rest:  # the end of the file: blocks are multiples of eight bytes
            buffer[nbytes : nbytes + rest] = bytes(rest)
        words = (nbytes + rest) // 8
        first = column // 8
        piece = torch.frombuffer(buffer, dtype=torch.int64, count=words)
        self._columns[first : first + words].bitwise_xor_(piece)


def refuse_stranger(path: Path) -> None:
    """Do nothing where a parity may be written.

    Raises:
        FileExistsError: something else is there.
    """
    if os.path.lexists(path) and not is_parity(path):
        raise FileExistsError(
            errno.EEXIST, "in the place of the parity, and none of ours", str(path)
        )


@contextlib.contextmanager
def parity_beside(checkpoint: Path, parity: Parity) -> Iterator[Callable[[], None]]:
    """A parity written and synced, and what gives it its name once the checkpoint has its own.

    Killed in between, the old parity lies beside the new checkpoint: it tells that it is of
    another, and is not used.

    Raises:
        OSError: it cannot be written.
        PlacedError: as from what it gives, where the checkpoint has its name and the parity not.
    """
    path = parity_path(checkpoint)
    with temporary_beside(path, mode_to_keep(path)) as (temporary, out):
        out.write(parity.packed(checkpoint.name))
        out.flush()
        os.fsync(out.fileno())

        def place() -> None:
            try:
                publish(temporary, out, path, force=True)
            except PlacedError:
                raise
            except (OSError, RestoreError) as error:
                raise PlacedError(getattr(error, "errno", None), f"its parity: {error}") from error

        yield place


def drop_stale_parity(checkpoint: Path, digest: str) -> None:
    """Remove the parity of a file that was replaced; nobody would use it, and it takes space."""
    path = parity_path(checkpoint)
    if is_parity(path):
        found = read_parity(path)
        if found is None or found.digest != digest:
            with contextlib.suppress(OSError):
                path.unlink()
