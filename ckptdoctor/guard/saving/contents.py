"""What a save would write, looked at before a byte of it goes to the disk.

The object is pickled without its tensors, which costs milliseconds, so that every tensor that
would be in the file is seen, whatever object holds it. Only where an element is not finite does
the doctor read that pickle, as it would read the file: the rules are the same.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

import torch
from torch.serialization import DEFAULT_PROTOCOL, location_tag, normalize_storage_type

from ckptdoctor.checkpoint import (
    Checkpoint,
    FileIdentity,
    StorageRef,
    TensorRecord,
    TensorStats,
)
from ckptdoctor.finding import Finding
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import Node, PickleError, unwrap
from ckptdoctor.formats.raw import Storage, class_dtype
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.tree import harvest
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metadata
from ckptdoctor.rules import Case, Rule

__all__ = ["Contents"]

_CHECKED = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_COMPLEX = (torch.complex64, torch.complex128)
_RECORD_NBYTES = 512  # headers, alignment and directory entry of one record, generously


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An object as ``torch.save`` would store it.

    Attributes:
        pickle: the pickle, which refers to the storages by key.
        storages: the bytes, by key, and the element type that the pickle gives them; still on
            their device.
    """

    pickle: bytes = field(repr=False)
    storages: Mapping[str, tuple[torch.UntypedStorage, torch.dtype]] = field(repr=False)

    @classmethod
    def of(cls, obj: object) -> Contents:
        """What is in an object.

        Raises:
            Exception: it cannot be pickled; whatever the object raises passes through.
        """
        storages: dict[str, tuple[torch.UntypedStorage, torch.dtype]] = {}
        out = io.BytesIO()
        _Pickler(out, storages).dump(obj)
        return cls(pickle=out.getvalue(), storages=storages)

    @property
    def nbytes(self) -> int:
        """Size of the file that it makes, in bytes, rounded up."""
        whole = sum(storage.nbytes() for storage, _ in self.storages.values())
        return whole + len(self.pickle) + _RECORD_NBYTES * (len(self.storages) + 8)

    def findings(self, path: Path, rules: Iterable[type[Rule]]) -> list[Finding]:
        """What rules about non-finite tensors say; nothing is moved but one number a storage.

        float8 and other types without an order are left to whoever reads the file.

        Args:
            path: the file that it is to become.
            rules: those to ask.
        """
        unclean = self._unclean()
        if not unclean:
            return []
        limits = Limits()
        source = MemorySource(self.pickle)
        try:
            root, _ = PickleMachine(source, limits).run()
        except PickleError:
            return []  # the file, which is read next, tells
        found = harvest(root, _lookup, source, limits)
        stats = {
            tensor.fqn: self._measure(tensor)
            for tensor in found.tensors
            if tensor.storage is not None and tensor.storage.key in unclean
        }
        checkpoint = Checkpoint(
            path=path,
            format="torch-zip",
            nbytes=self.nbytes,
            tensors=tuple(found.tensors),
            scalars=found.scalars,
            byteorder=sys.byteorder,
            identity=FileIdentity(device=0, inode=0, nbytes=0, mtime_ns=0),
        )
        case = Case(
            checkpoint=checkpoint, stats=stats, problems=(), unchecked=0, metadata=Metadata()
        )
        return [finding for rule in rules for finding in rule().check(case)]

    def _unclean(self) -> set[str]:
        """The keys of the storages with an element that is not finite; one wait for each device."""
        flags: dict[torch.device, list[tuple[str, torch.Tensor]]] = {}
        with torch.no_grad():
            for key, (storage, dtype) in self.storages.items():
                flag = _is_finite(storage, dtype)
                if flag is not None:
                    flags.setdefault(flag.device, []).append((key, flag))
            return {
                key
                for pairs in flags.values()
                for (key, _), clean in zip(
                    pairs, torch.stack([flag for _, flag in pairs]).tolist(), strict=True
                )
                if not clean
            }

    def _measure(self, tensor: TensorRecord) -> TensorStats:
        """The non-finite elements of one tensor."""
        ref = tensor.storage
        dtype = getattr(torch, tensor.dtype)
        if ref is None or not (dtype.is_floating_point or dtype.is_complex):
            return TensorStats(fqn=tensor.fqn, numel=tensor.numel)
        storage = self.storages[ref.key][0]
        with torch.no_grad():
            values = torch.empty(0, dtype=dtype, device=storage.device)
            values.set_(storage, tensor.storage_offset, tensor.shape, tensor.stride)
            bad = (~torch.isfinite(values)).nonzero()
            parts = torch.view_as_real(values) if dtype.is_complex else values
            return TensorStats(
                fqn=tensor.fqn,
                numel=tensor.numel,
                nan=int(parts.isnan().sum()),
                posinf=int(parts.isposinf().sum()),
                neginf=int(parts.isneginf().sum()),
                first_bad_index=tuple(bad[0].tolist()) if len(bad) else None,
            )


class _Pickler(pickle.Pickler):
    """Pickles as ``torch.save`` does, and keeps the storages aside."""

    def __init__(
        self, out: io.BytesIO, storages: dict[str, tuple[torch.UntypedStorage, torch.dtype]]
    ) -> None:
        super().__init__(out, protocol=DEFAULT_PROTOCOL)
        self._storages = storages
        self._keys: dict[int, str] = {}

    def persistent_id(self, obj: object) -> tuple[object, ...] | None:
        if isinstance(obj, torch.storage.TypedStorage):
            storage, dtype, numel = obj._untyped_storage, obj.dtype, obj._size()  # type: ignore[no-untyped-call]  # noqa: SLF001
            name = obj._pickle_storage_type()  # type: ignore[no-untyped-call]  # noqa: SLF001
            kind: object = getattr(torch, name)
        elif isinstance(obj, torch.UntypedStorage):
            storage, dtype, numel = obj, torch.uint8, obj.nbytes()
            kind = normalize_storage_type(type(obj))  # type: ignore[no-untyped-call]
        else:
            return None
        key = self._keys.setdefault(storage._cdata, str(len(self._keys)))  # noqa: SLF001
        self._storages.setdefault(key, (storage, dtype))
        return ("storage", kind, key, location_tag(storage), numel)


def _is_finite(storage: torch.UntypedStorage, dtype: torch.dtype) -> torch.Tensor | None:
    """Whether all elements are finite, on their device; None where the type has no such elements.

    The extremes tell, in one pass: NaN propagates into both, and Inf is one of them.
    """
    if dtype in _COMPLEX:
        dtype = torch.float32 if dtype is torch.complex64 else torch.float64
    numel = storage.nbytes() // dtype.itemsize
    if dtype not in _CHECKED or numel == 0 or storage.device.type == "meta":
        return None
    values = torch.empty(0, dtype=dtype, device=storage.device)
    values.set_(storage, 0, (numel,), (1,))
    low, high = torch.aminmax(values)
    return torch.isfinite(low) & torch.isfinite(high)


def _lookup(pid: Node) -> Storage | None:
    """The storage that a persistent id of the pickle names."""
    if type(pid) is not tuple or len(pid) < 5 or type(pid[2]) is not str:
        return None
    dtype, numel = class_dtype(pid[1]), unwrap(pid[4])
    if dtype is None or type(numel) is not int:
        return None
    return Storage(StorageRef(key=pid[2], offset=0, nbytes=numel * dtype.itemsize), dtype)
