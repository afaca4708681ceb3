"""Bytes to :class:`~ckptdoctor.checkpoint.Checkpoint`: by content, not by name; nothing executed.

One module a format. No reader imports torch, and none imports, calls or looks up anything that a
file names.
"""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError, CorruptCheckpointError, UnknownFormatError
from ckptdoctor.formats import safetensors, torch_dcp, torch_legacy, torch_tar, torch_zip
from ckptdoctor.formats.compressed import is_compressed_pickle, refuse_packed_archive
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.locate import locate_scalars
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.formats.pickle.loading import LOADER
from ckptdoctor.formats.pickle.packed import is_packed, unpacked
from ckptdoctor.formats.pickle.stray import code_spelled, code_within
from ckptdoctor.formats.repeats import Repeats
from ckptdoctor.formats.sniff import TEXT, describe_stranger
from ckptdoctor.formats.zip.one_bit_off import remedy_of_magic
from ckptdoctor.sources.descriptors import is_far, pread

__all__ = [
    "Limits",
    "OpenFile",
    "Repeats",
    "locate_scalars",
    "looks_like_checkpoint",
    "names_tensors",
    "open_checkpoint",
    "opened",
    "read_checkpoint",
]

_HEAD_NBYTES = 4096
_SEARCHED_NBYTES = 64 << 20
_SEARCHED_STEP = 1 << 20


def open_checkpoint(path: str | Path, limits: Limits | None = None) -> Checkpoint:
    """What a checkpoint file holds: its tensors, scalars, globals, and the damage that was met.

    Tensor bytes are not read, and nothing in the file is executed or imported.

    Args:
        path: the file, whatever its name ends in.
        limits: bounds on the work; by default what the size of the file explains.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
        OSError: the file cannot be opened or read.
    """
    with opened(path) as file:
        return read_checkpoint(file, limits)


def read_checkpoint(
    file: OpenFile,
    limits: Limits | None = None,
    *,
    takes_value: bool = False,
    repeats: Repeats | None = None,
) -> Checkpoint:
    """The checkpoint in an open file; see :func:`open_checkpoint`.

    Args:
        file: the file.
        limits: bounds on the work.
        takes_value: whether it may be a file of ``torch.save`` that holds a single value.
        repeats: the structures of files that were read before, where there are any.
    """
    limits = limits or Limits.for_file(file.nbytes)
    repeats = None if is_far(file.fd) else repeats  # it reads every local header of a file
    if repeats is not None:
        known = repeats.read(file, limits)
        if known is not None:
            return known
    try:
        found = _read(file, limits, takes_value=takes_value)
        return found if repeats is None else repeats.learn(file, limits, found)
    except CheckpointError as error:
        within = dict(code_spelled(code_within(file, limits)))
        error.runs = tuple((within | dict(error.runs)).items())
        raise


def _read(file: OpenFile, limits: Limits, *, takes_value: bool) -> Checkpoint:
    head = file.source.read(0, _HEAD_NBYTES)
    if not head:
        pread(file.fd, 1, 0)  # a file that says it is empty may be one that cannot be read
        raise UnknownFormatError(
            file.path,
            "an empty file",
            remedy="The write was interrupted, or the disk was full: use an earlier checkpoint.",
        )
    torch_dcp.refuse_alone(file, head)
    refuse_packed_archive(file.path, head)
    if head.startswith(torch_zip.MAGIC):
        return torch_zip.read_torch_zip(file, limits, takes_value=takes_value)
    if torch_tar.is_tar(head[:512]):
        return torch_tar.read_torch_tar(file, limits)
    if safetensors.is_safetensors(head):
        return safetensors.read_safetensors(file, limits)
    if is_compressed_pickle(file.source):
        checkpoint = torch_legacy.read_pickle(file, limits)
        if checkpoint.tensors:
            return checkpoint
    if remedy := remedy_of_magic(file, head):
        what = "a zip archive but for one bit of its first bytes"
        raise CorruptCheckpointError(file.path, what, remedy=remedy)
    what, remedy = describe_stranger(head, file.nbytes)
    stranger = UnknownFormatError(file.path, f"not a checkpoint but {what}", remedy=remedy)
    if what and what != TEXT:
        raise stranger
    try:
        return torch_legacy.read_pickle(file, limits)
    except CheckpointError as error:
        if what:  # a text that is no pickle of protocol 0 either
            raise stranger from error
        raise


def looks_like_checkpoint(path: Path) -> bool:
    """Whether the first bytes of a file with any name are those of a checkpoint.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        with opened(path) as file:
            head = file.source.read(0, _HEAD_NBYTES)
    except UnknownFormatError:
        return False
    if head.startswith(torch_zip.MAGIC):
        return b"/data.pkl" in head[:512] or b"/version" in head[:512]
    return safetensors.is_safetensors(head) or torch_legacy.is_legacy(head)


def names_tensors(path: Path) -> bool:
    """Whether a pickle, compressed or not, names what torch's tensors are pickled with.

    Looks for the name in the first 64 MB, and reads no pickle.

    Raises:
        OSError: the file cannot be opened.
    """
    name = LOADER[1].encode()
    try:
        with opened(path) as file:
            source = file.source
            if is_packed(source.read(0, 8)):
                return name in unpacked(source.read(0, _SEARCHED_STEP))
            return any(
                name in source.read(start, _SEARCHED_STEP + len(name))
                for start in range(0, min(file.nbytes, _SEARCHED_NBYTES), _SEARCHED_STEP)
            )
    except UnknownFormatError:
        return False
