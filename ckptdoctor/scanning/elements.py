"""The elements of one tensor, piece by piece, wherever and however its storage lies in the file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ckptdoctor.checkpoint import StorageRef, TensorRecord
from ckptdoctor.scanning.contiguous import contiguous
from ckptdoctor.scanning.plan import Extent
from ckptdoctor.scanning.reading import FileShrankError
from ckptdoctor.scanning.spelled import spelled
from ckptdoctor.sources.descriptors import pread

__all__ = ["elements", "storage_bytes"]


def elements(
    fd: int, tensor: TensorRecord, byteorder: str, numel: int, *, in_memory_order: bool = False
) -> Iterator[bytes]:
    """The elements in the order of the indices, little-endian, so many at a time.

    A tensor that lies in order and in one piece is read piece by piece; one that is transposed,
    expanded, deflated or big-endian is brought into memory.

    Args:
        fd: the file.
        tensor: whose bytes are there.
        byteorder: of its storage.
        numel: elements a piece.
        in_memory_order: whether any order will do, as long as it only depends on the strides.

    Raises:
        FileShrankError: the file ends before the tensor does.
        zlib.error: a deflated storage is damaged.
        OSError: the file cannot be read.
    """
    ref = tensor.storage
    if ref is None or 0 in tensor.shape:
        return
    itemsize, extent = tensor.dtype_info.itemsize, Extent.of(tensor)
    whole = extent.dense and extent.nbytes == tensor.nbytes
    ordered = whole and (in_memory_order or _is_in_order(tensor))
    plain = ref.is_plain
    if ordered and plain and byteorder == "little":
        for start in range(0, extent.nbytes, numel * itemsize):
            nbytes = min(numel * itemsize, extent.nbytes - start)
            yield _read(fd, ref.offset + extent.start + start, nbytes)
        return
    if plain:
        run = _read(fd, ref.offset + extent.start, extent.nbytes)
    else:
        run = storage_bytes(fd, ref)[extent.start : extent.start + extent.nbytes]
    shape, stride = tensor.shape, tensor.stride
    if ordered and in_memory_order:
        shape, stride = (tensor.numel,), (1,)
    plain_order = contiguous(run, tensor.dtype, shape, stride, byteorder)
    for start in range(0, len(plain_order), numel * itemsize):
        yield plain_order[start : start + numel * itemsize]


def storage_bytes(fd: int, ref: StorageRef) -> bytes:
    """All bytes of a storage, decoded.

    Raises:
        zlib.error: they are damaged.
        ValueError: they are not spelled as bytes are.
        OSError: they cannot be read.
    """
    if ref.inline is not None:
        return ref.inline
    if ref.text_nbytes is not None:
        return b"".join(spelled(fd, ref))
    if ref.deflated_nbytes is not None:
        return zlib.decompressobj(-15).decompress(pread(fd, ref.deflated_nbytes, ref.offset))
    return _read(fd, ref.offset, ref.nbytes)


def _is_in_order(tensor: TensorRecord) -> bool:
    """Whether the elements lie in the order of their indices."""
    expected = 1
    for size, step in zip(reversed(tensor.shape), reversed(tensor.stride), strict=True):
        if size > 1 and step != expected:
            return False
        expected *= size
    return True


def _read(fd: int, offset: int, nbytes: int) -> bytes:
    data = pread(fd, nbytes, offset)
    while len(data) < nbytes:
        more = pread(fd, nbytes - len(data), offset + len(data))
        if not more:
            raise FileShrankError
        data += more
    return data
