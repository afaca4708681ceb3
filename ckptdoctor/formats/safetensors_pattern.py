"""safetensors files whose headers name the same tensors, byte for byte: metadata may differ."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import Checkpoint, Scalar, StorageRef, Structure, TensorRecord
from ckptdoctor.formats.alike import columns_of, plain_refs
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.stray import code_in_noise
from ckptdoctor.formats.torch_tar import is_tar
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Header", "SafetensorsPattern"]

_LENGTH_NBYTES = 8
_LEAST_NBYTES = 4096  # what a file is told from others by lies within the header then
_MOST_NBYTES = 4 << 20
_SUFFIX = ".safetensors"  # other names may make another thing of the same bytes
_TEXT = rb'"[ !#-\[\]-~]*"'  # nothing in it is escaped
_PAIR = _TEXT + rb":" + _TEXT
_LEAD = re.compile(rb'\{"__metadata__":(\{(?:' + _PAIR + rb"(?:," + _PAIR + rb")*)?\}),")


@dataclass(frozen=True, slots=True)
class Header:
    """A header in two parts.

    Attributes:
        scalars: of its metadata.
        tensors: what follows, without the spaces at its end.
        objects: how many seem to begin in it.
        start: of the payload.
    """

    scalars: dict[str, Scalar]
    tensors: bytes
    objects: int
    start: int

    @classmethod
    def of(cls, file: OpenFile) -> Self | None:
        """The header of a file; None of an unusual one."""
        source = file.source
        start = _LENGTH_NBYTES + int.from_bytes(source.read(0, _LENGTH_NBYTES), "little")
        if not _LEAST_NBYTES <= start <= min(_MOST_NBYTES, file.nbytes):
            return None
        if file.path.suffix != _SUFFIX:
            return None
        data = source.read(0, start)
        if len(data) < start or data[_LENGTH_NBYTES : _LENGTH_NBYTES + 1] != b"{" or is_tar(data):
            return None
        lead = _LEAD.match(data, _LENGTH_NBYTES)
        pairs = [] if lead is None else json.loads(lead[1], object_pairs_hook=list)
        scalars: dict[str, Scalar] = {f"__metadata__.{key}": value for key, value in pairs}
        if len(scalars) < len(pairs):
            return None
        return cls(
            scalars=scalars,
            tensors=data[_LENGTH_NBYTES + 1 if lead is None else lead.end() :].rstrip(b" "),
            objects=data.count(b"{", _LENGTH_NBYTES),
            start=start,
        )


@dataclass(frozen=True, slots=True)
class SafetensorsPattern:
    """A file in which nothing is wrong, for those that list the same tensors.

    Attributes:
        header: of the file.
        checkpoint: what it holds.
        columns: the fields of its tensors.
        structure: what files of it are marked with.
    """

    header: Header
    checkpoint: Checkpoint
    columns: Mapping[str, tuple[object, ...]]
    structure: Structure

    @classmethod
    def of(cls, file: OpenFile, read: Checkpoint) -> Self | None:
        """The pattern of a file that was read; None of an unusual one."""
        header = Header.of(file)
        stored = [tensor.storage for tensor in read.tensors]
        if (
            header is None
            or header.scalars != read.scalars
            or len(stored) != len(read.records)
            or not all(map(operator.is_, stored, read.records))
        ):
            return None
        return cls(
            header=header,
            checkpoint=read,
            columns=columns_of(read.tensors),
            structure=Structure(),
        )

    def read(self, file: OpenFile, limits: Limits, header: Header) -> Checkpoint | None:
        """The checkpoint in a file of this structure; None where anything else differs."""
        known = self.checkpoint
        if (
            header.tensors != self.header.tensors
            or file.nbytes - header.start != known.nbytes - self.header.start
            or not self._suffices(limits, header)
            or code_in_noise(file.source, limits)
        ):
            return None
        refs = self._refs(header.start - self.header.start)
        tensors = instances(TensorRecord, len(refs), storage=refs, **self.columns)
        return replace(
            known,
            path=file.path,
            nbytes=file.nbytes,
            tensors=tuple(tensors),
            scalars=header.scalars,
            records=tuple(refs),
            identity=file.identity,
            structure=self.structure,
        )

    def _suffices(self, limits: Limits, header: Header) -> bool:
        """Whether the limits of another file let everything through."""
        return (
            max(len(self.checkpoint.tensors), header.objects - 2) <= limits.tensors
            and len(header.scalars) <= limits.scalars
        )

    def _refs(self, moved: int) -> list[StorageRef]:
        """The places of the tensors in a file whose payload begins so many bytes later."""
        known = self.checkpoint.records
        return plain_refs(
            len(known),
            key=[ref.key for ref in known],
            offset=[ref.offset + moved for ref in known],
            nbytes=[ref.nbytes for ref in known],
        )
