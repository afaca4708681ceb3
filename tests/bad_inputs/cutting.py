"""Cuts a file at every length and counts what is rescued from what is left."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.formats import open_checkpoint
from tests.bad_inputs.damaging import Contents, examined, one_backend
from tests.bad_inputs.each_format import Sample

__all__ = ["Cuts", "cut", "every_length"]


@dataclass(slots=True)
class Cuts:
    """What became of a file that was cut at many lengths.

    Attributes:
        sample: the sound file.
        lengths: at how many it was cut.
        crashed: the traceback by length.
        healthy: the lengths at which nothing was said.
        present: storages that lie before the cut as a whole, over all lengths.
        rescued: those of them whose tensor was read.
        verified: those of them whose tensor is, byte for byte, that of the sound file.
        lost: (length, tensor) of those that were not rescued, or came back as something else.
    """

    sample: Sample
    lengths: int = 0
    crashed: dict[int, str] = field(default_factory=dict)
    healthy: list[int] = field(default_factory=list)
    present: int = 0
    rescued: int = 0
    verified: int = 0
    lost: list[tuple[int, str]] = field(default_factory=list)

    def fallen(self) -> Iterator[str]:
        """All that should not be, a line each."""
        name = self.sample.name
        for length, crash in self.crashed.items():
            yield f"{name}, {length} bytes: {crash}"
        for length in self.healthy:
            yield f"{name}, {length} bytes: healthy"
        for length, tensor in self.lost:
            yield f"{name}, {length} bytes: {tensor} is there and was not rescued"


def every_length(sample: Sample, most: int = 0, seed: int = 0) -> list[int]:
    """The lengths to cut a file at: all of them, or about ``most`` of them, drawn by chance."""
    lengths = range(len(sample.data))
    if not most or most >= len(lengths):
        return list(lengths)
    drawn = set(random.Random(seed).sample(lengths, most))
    return sorted(drawn | {0, 1, len(lengths) - 1})


def cut(sample: Sample, folder: Path, lengths: Iterable[int]) -> Cuts:
    """What became of the file at each length.

    Args:
        sample: the sound file.
        folder: an empty one.
        lengths: in any order.
    """
    path = folder / "model.pth"
    path.write_bytes(sample.data)
    cuts = Cuts(sample)
    with one_backend():
        sound = examined(path, sample.data)
        assert sound.contents is not None
        assert not sound.reported
        tensors = _tensors(open_checkpoint(path))
        for length in sorted(lengths, reverse=True):
            os.truncate(path, length)
            cuts.lengths += 1
            found = examined(path, sample.data[:length])
            if found.crash:
                cuts.crashed[length] = found.crash
                continue
            if not found.reported:
                cuts.healthy.append(length)
            _count(cuts, length, tensors, (sound.contents, found.contents))
    return cuts


def _tensors(checkpoint: Checkpoint) -> Sequence[TensorRecord]:
    """One tensor of each storage; the samples have no other."""
    keys = [tensor.storage.key for tensor in checkpoint.tensors if tensor.storage is not None]
    assert len(set(keys)) == len(checkpoint.tensors)
    return checkpoint.tensors


def _count(
    cuts: Cuts,
    length: int,
    tensors: Sequence[TensorRecord],
    contents: tuple[Contents, Contents | None],
) -> None:
    """Add what was rescued at one length."""
    sound, found = contents
    for tensor in tensors:
        if _end(tensor) + cuts.sample.described_nbytes > length:
            continue
        cuts.present += 1
        rescued = None if found is None else found.tensors.get(tensor.fqn)
        if rescued is None:
            cuts.lost.append((length, tensor.fqn))
            continue
        cuts.rescued += 1
        if rescued == sound.tensors[tensor.fqn]:
            cuts.verified += 1
        else:
            cuts.lost.append((length, tensor.fqn))


def _end(tensor: TensorRecord) -> int:
    """Behind the last byte of the tensor's storage, in the sound file."""
    ref = tensor.storage
    assert ref is not None
    return ref.offset + (ref.nbytes if ref.deflated_nbytes is None else ref.deflated_nbytes)
