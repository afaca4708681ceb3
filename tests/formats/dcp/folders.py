"""Small folders of torch.distributed.checkpoint, of torch's own classes and ``torch.save``.

``dcp.save`` cuts a tensor only where ranks share it; here it is cut as a test likes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

from ckptdoctor.checkpoint import Checkpoint, Problem, TensorRecord, TensorStats
from ckptdoctor.formats.dcp.described import DcpMetadata
from ckptdoctor.formats.dcp.joined import Joined
from ckptdoctor.formats.dcp.metadata import read_metadata
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import CheckpointFiles, Form
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.dcp import parts_of
from ckptdoctor.layouts.reading import read_part, with_chunks_joined
from ckptdoctor.scanning.scanner import Scanner

__all__ = ["Seen", "described", "grid", "read_by_torch", "save", "seen", "write"]

Box = tuple[tuple[int, ...], tuple[int, ...]]


def save(folder: Path, state: Mapping[str, Any]) -> Path:
    """What ``dcp.save`` makes of a state dict in one process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp_save(dict(state), checkpoint_id=folder, no_dist=True)
    return folder


def read_by_torch(folder: Path, target: Path) -> Any:
    """What torch itself makes of a folder: one dict, by ``dcp_to_torch_save``."""
    dcp_to_torch_save(folder, target)
    return torch.load(target, weights_only=False)


def grid(size: Sequence[int], counts: Sequence[int]) -> list[Box]:
    """A tensor cut into so many boxes along each dimension, the last of them smaller."""
    spans = []
    for whole, count in zip(size, counts, strict=True):
        step = max(1, -(-whole // count))
        spans.append([(at, min(step, whole - at)) for at in range(0, whole, step)])
    return [
        (tuple(at for at, _ in box), tuple(reach for _, reach in box))
        for box in itertools.product(*spans)
    ]


def write(
    folder: Path,
    tensors: Mapping[str, torch.Tensor],
    *,
    boxes: Mapping[str, Sequence[Box]] | None = None,
    values: Mapping[str, Any] | None = None,
    files: int = 2,
    change: Callable[[Metadata], object] = lambda _: None,
) -> Path:
    """A folder as torch writes it, the chunks dealt out to files in turn.

    Args:
        folder: where.
        tensors: by their names.
        boxes: offsets and sizes of the chunks of some of them; others are stored as one.
        values: what is no tensor.
        files: how many.
        change: is given the description before it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Any] = {}
    places: dict[MetadataIndex, _StorageInfo] = {}
    turn = itertools.cycle(f"__{rank}_0.distcp" for rank in range(files))
    with contextlib.ExitStack() as stack:
        streams = {
            name: stack.enter_context((folder / name).open("wb"))
            for name in itertools.islice(turn, files)
        }

        def store(index: MetadataIndex, obj: Any) -> None:
            name = next(turn)
            raw = io.BytesIO()
            torch.save(obj, raw)
            places[index] = _StorageInfo(name, streams[name].tell(), raw.tell())
            streams[name].write(raw.getvalue())

        for fqn, value in (values or {}).items():
            entries[fqn] = BytesStorageMetadata()
            store(MetadataIndex(fqn), value)
        for fqn, tensor in tensors.items():
            own_boxes = (boxes or {}).get(fqn)
            own = own_boxes or [((0,) * tensor.dim(), tuple(tensor.shape))]
            chunks = [ChunkStorageMetadata(torch.Size(at), torch.Size(sizes)) for at, sizes in own]
            entries[fqn] = TensorStorageMetadata(
                TensorProperties.create_from_tensor(tensor), tensor.size(), chunks
            )
            for number, (at, sizes) in enumerate(own):
                cut = tensor
                for dim, (start, reach) in enumerate(zip(at, sizes, strict=True)):
                    cut = cut.narrow(dim, start, reach) if own_boxes else cut
                store(MetadataIndex(fqn, at, number), cut.clone())
    metadata = Metadata(
        entries, None, places, StorageMeta(checkpoint_id=folder, save_id="x"), "1.0.0"
    )
    change(metadata)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    return folder


def described(folder: Path) -> DcpMetadata:
    """What our reader makes of the ``.metadata``."""
    with opened(folder / ".metadata") as file:
        return read_metadata(file)


class Seen:
    """What our readers and the scan make of a folder.

    Attributes:
        files: its parts.
        parts: what was read of each.
        tensors: the tensors, their chunks joined.
        stats: of them.
        scalars: the values.
        problems: of all parts, and of the folder.
    """

    def __init__(self, files: CheckpointFiles) -> None:
        self.files = files
        self.parts: dict[str, Checkpoint] = {}
        self.scalars: dict[str, Any] = {}
        records: list[TensorRecord] = []
        stats: dict[str, TensorStats] = {}
        problems = list(files.problems)
        with Scanner(1) as scanner:
            for part in files.parts:
                if part.form is Form.TEXT:
                    continue
                with opened(part.path) as file:
                    checkpoint = self.parts[part.name] = read_part(part, file)
                    result = scanner.submit(checkpoint, file.fd).result()
                records += checkpoint.tensors
                stats |= result.stats
                self.scalars |= checkpoint.scalars
                problems += [*checkpoint.problems, *result.problems]
        joined = with_chunks_joined(files.parts, records, stats)
        self.joined = joined or Joined(tensors=(), stats={}, pieces={}, names={}, roles={})
        self.tensors = {tensor.fqn: tensor for tensor in self.joined.tensors}
        self.stats = self.joined.stats
        self.problems: list[Problem] = [self.joined.told(problem) for problem in problems]

    @property
    def lost(self) -> set[str]:
        """The tensors that are not whole."""
        return {fqn for fqn, tensor in self.tensors.items() if tensor.lost}

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, and nothing is missing."""
        return not (self.problems or self.lost or self.files.absent)


def seen(folder: Path) -> Seen:
    """What our readers and the scan make of a folder."""
    files = parts_of(Folder(folder))
    assert files is not None
    return Seen(files)
