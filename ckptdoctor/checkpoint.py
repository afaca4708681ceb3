"""What a reader returns: the checkpoint as it lies in the file, and what a scan says of it."""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

from ckptdoctor.dtypes import BY_NAME, DType
from ckptdoctor.finding import Evidence, Severity
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "CallUse",
    "Checkpoint",
    "FileIdentity",
    "GlobalUse",
    "Problem",
    "Role",
    "Scalar",
    "ScalarSpan",
    "StorageRef",
    "Structure",
    "TensorRecord",
    "TensorStats",
    "ZeroTail",
    "inode_of",
]

Scalar = str | int | float | bool | None
"""A leaf of the checkpoint that is not a tensor."""


class Role(enum.Enum):
    """What part of the training state a tensor belongs to."""

    MODEL = "model"
    EMA = "ema"
    OPTIMIZER = "optimizer"
    SCHEDULER = "scheduler"
    SCALER = "scaler"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRef:
    """Where the bytes of one storage (or of one other record) lie.

    Attributes:
        key: the name that the file gives it: a zip record, a legacy storage key, a tensor name.
        offset: first byte in the file; of the compressed stream for a deflated record.
        nbytes: size once decompressed.
        crc32: the checksum that the file stores, or None where it stores none.
        deflated_nbytes: size of the compressed stream, or None for plain bytes.
        inline: the bytes themselves, where the file holds them only in an encoded form
            (a numpy array in a protocol 2 pickle).
        text_nbytes: size of the UTF-8 text at ``offset`` that spells the bytes as latin-1, as such
            a pickle does with many; or None.
    """

    key: str
    offset: int
    nbytes: int
    crc32: int | None = None
    deflated_nbytes: int | None = None
    inline: bytes | None = field(default=None, repr=False)
    text_nbytes: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the bytes lie in the file as they are."""
        return self.inline is None and self.deflated_nbytes is None and self.text_nbytes is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """One tensor, as the file describes it.

    Attributes:
        fqn: the fully qualified name: the keys from the root of the file, joined by dots.
        dtype: torch's name of the element type, such as ``bfloat16``.
        shape: sizes of the dimensions; () for a scalar.
        stride: steps between neighbours, in elements, one a dimension.
        storage_offset: first element, counted in elements from the start of the storage.
        storage: where the bytes lie; None for a tensor without data (the meta device).
        role: the part of the training state it belongs to.
        lost: whether the file ends, or lies, before the bytes that it promises.
    """

    fqn: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage_offset: int
    storage: StorageRef | None
    role: Role
    lost: bool = False

    @property
    def dtype_info(self) -> DType:
        """The bits of the element type."""
        return BY_NAME[self.dtype]

    @property
    def numel(self) -> int:
        """Number of elements that the shape claims."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the elements that the shape claims; views of one storage each count in full."""
        return self.numel * self.dtype_info.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalUse:
    """A class or function that the pickle names.

    Attributes:
        name: module and qualified name, joined by a dot.
        count: how often it is named.
        offset: the byte of the file at which it is named first.
        runs_code: whether unpickling it can run code of the file's choosing.
        allowed: whether it stands on the safe list of ``torch.load(weights_only=True)``.
        known: whether it is known what it does; False for most classes of other packages.
    """

    name: str
    count: int
    offset: int
    runs_code: bool
    allowed: bool
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUse:
    """A call of a global that runs code, spelled out: ``os.system('id')``, never made."""

    name: str
    call: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarSpan:
    """Where a number, bool or None stands in the file.

    Attributes:
        offset: the first byte of the pickle opcode that pushes it.
        nbytes: size of the opcode with its argument.
        value: what it pushes.
    """

    offset: int
    nbytes: int
    value: int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Damage that a reader met and went on from.

    Attributes:
        code: the code of the finding that it becomes.
        severity: the severity of that finding.
        subject: the record, tensor or structure concerned.
        message: one sentence, with its figures.
        evidence: the same figures for machines.
        remedy: what to do, or "".
    """

    code: str
    severity: Severity
    subject: str
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """What ``fstat`` said when the file was opened; a different answer later means it changed."""

    device: int
    inode: int
    nbytes: int
    mtime_ns: int

    @classmethod
    def of(cls, fd: int) -> FileIdentity:
        """Of an open file, now."""
        status = os.fstat(fd)
        return cls(
            device=status.st_dev,
            inode=inode_of(status),
            nbytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )


def inode_of(status: os.stat_result) -> int:
    """The number of a file as 64 bits with a sign, which SQLite can keep.

    FUSE and overlays give numbers of the upper half, ReFS such of 128 bits.
    """
    folded = (status.st_ino ^ status.st_ino >> 64) & (1 << 64) - 1
    return folded - (folded >> 63 << 64)


class Structure:
    """Marks checkpoints that hold the same but for numbers, checksums and places in their files.

    Whatever follows from names, types, shapes and roles alone is the same for all that have one
    object of it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint file, described.

    Attributes:
        path: the file.
        format: ``torch-zip``, ``torch-legacy``, ``torch-tar``, ``torchscript``, ``safetensors``
            or ``pickle``.
        nbytes: size of the file.
        tensors: in the order of the file; each fqn once.
        scalars: the other leaves by their path, numpy scalars and one-element tensors beside the
            weights included.
        globals: what the pickle names, in the order of first use.
        calls: calls of globals that run code.
        problems: damage that was met.
        records: every byte range that holds a storage or carries a checksum.
        byteorder: ``little`` or ``big``, of the storages.
        identity: of the file when it was opened.
        structure: shared with the files that were found to be like it; None where none was.
    """

    path: Path
    format: str
    nbytes: int
    tensors: tuple[TensorRecord, ...] = field(repr=False)
    scalars: Mapping[str, Scalar] = field(repr=False)
    globals: tuple[GlobalUse, ...] = ()
    calls: tuple[CallUse, ...] = ()
    problems: tuple[Problem, ...] = ()
    records: Sequence[StorageRef] = field(default=(), repr=False)
    byteorder: str = "little"
    identity: FileIdentity
    structure: Structure | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorStats:
    """What the elements of one tensor are.

    For complex types the real and the imaginary parts are counted one by one; quantized tensors
    are seen as the integers they store.

    Attributes:
        fqn: the tensor.
        numel: number of elements that the shape claims.
        nan: how many are NaN.
        posinf: how many are +Inf.
        neginf: how many are -Inf.
        min: the smallest finite element; None where there is none, or no order (packed bits).
        max: the largest finite element, likewise.
        first_bad_index: one index a dimension of the first non-finite element in memory order,
            or None where all are finite.
        saturated: how many are as large as a float of this type, or of a narrower one, can be.
        sample: a few elements, evenly spaced over the storage, as the file holds them; empty for
            all but the floats of model and EMA. Two tensors with equal dtype and shape are sampled
            at equal places.
    """

    fqn: str
    numel: int
    nan: int = 0
    posinf: int = 0
    neginf: int = 0
    min: float | None = None
    max: float | None = None
    first_bad_index: tuple[int, ...] | None = None
    saturated: int = 0
    sample: bytes = field(default=b"", repr=False, compare=False)

    @property
    def inf(self) -> int:
        """How many are infinite, of either sign."""
        return self.posinf + self.neginf

    @property
    def non_finite(self) -> int:
        """How many are NaN or infinite."""
        return self.nan + self.posinf + self.neginf


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroTail:
    """The zero bytes that a file ends with.

    Attributes:
        start: the first of them in the file.
        filled: the share of other bytes in the few thousand before them.
    """

    start: int
    filled: float
