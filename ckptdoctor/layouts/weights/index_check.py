"""Whether shards hold what their index says, once they have been read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint, Problem, TensorRecord
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Index, Part

__all__ = ["misplaced_in", "missing_in", "with_indexes"]

_SHOWN = 3
_METADATA = "__metadata__."
_OF_THE_OUTPUT = re.compile(
    r"(?:^|\.)(?:lm_head|embed_out|output|decoder|proj_out|shared|embed_tokens|wte|word_embeddings"
    r"|tok_embeddings|classifier)\.(?:weight|bias)$"
)

Held = Mapping[str, Sequence[TensorRecord]]
"""By the name of a part, the tensors in it under the names that the file gives them."""


def with_indexes(
    files: CheckpointFiles, read: Sequence[tuple[Part, Checkpoint]]
) -> CheckpointFiles:
    """The checkpoint with what its shards lack, or hold in excess, by their indexes.

    Args:
        files: which belong together.
        read: the parts that could be read, by the names of ``layouts.assemble.in_checkpoint``.
    """
    absent, problems = list(files.absent), list(files.problems)
    for index in files.indexes:
        own = [(part, checkpoint) for part, checkpoint in read if part.name in index.mapped]
        held = {part.name: _as_in_file(checkpoint, part) for part, checkpoint in own}
        absent += missing_in(index, held, _stored_once(own))
        problems += misplaced_in(index, held)
    return replace(files, absent=tuple(absent), problems=tuple(problems))


def _as_in_file(checkpoint: Checkpoint, part: Part) -> list[TensorRecord]:
    """The tensors of a part without what the checkpoint puts before their names."""
    return [
        replace(tensor, fqn=tensor.fqn.removeprefix(f"{part.name}:").removeprefix(part.prefix))
        for tensor in checkpoint.tensors
    ]


def _stored_once(read: Sequence[tuple[Part, Checkpoint]]) -> frozenset[str]:
    """The names that ``safetensors.torch.save_model`` leaves to other tensors."""
    return frozenset(
        path.removeprefix(part.prefix).removeprefix(_METADATA)
        for part, checkpoint in read
        for path in checkpoint.scalars
        if path.startswith(part.prefix + _METADATA)
    )


def missing_in(index: Index, held: Held, stored_once: Collection[str] = ()) -> Iterator[Absent]:
    """Tensors that the index says lie in a shard, and that lie in none.

    Weights that share their memory are stored once, and are not missing.

    Args:
        index: what should be where.
        held: the shards that could be read.
        stored_once: names that the metadata of safetensors gives as those of other tensors.
    """
    there = {tensor.fqn for tensors in held.values() for tensor in tensors}
    for part, mapped in index.mapped.items():
        if part not in held:
            continue
        lost = [
            name
            for name in mapped
            if name not in there
            and name not in stored_once
            and not (index.tied and _OF_THE_OUTPUT.search(name))
        ]
        if lost:
            yield Absent(
                name=part,
                role=index.role,
                because=f"{index.name} says that they lie in it, so that it is from another save,"
                " or of another model",
                tensors=tuple(index.prefix + name for name in lost),
                problem=f"holds nothing called {_names(lost)}",
            )


def misplaced_in(index: Index, held: Held) -> Iterator[Problem]:
    """Tensors in a shard that the index does not know, and bytes that do not sum up.

    Args:
        index: what should be where.
        held: the shards that could be read.
    """
    for part, mapped in index.mapped.items():
        known = frozenset(mapped)
        strange = [tensor.fqn for tensor in held.get(part, ()) if tensor.fqn not in known]
        if strange:
            yield _problem(
                part,
                f"{part} holds {_names(strange)}, which {index.name} does not say: one of the two"
                " is from another save",
            )
    if index.nbytes is not None and held.keys() >= index.mapped.keys():
        yield from _total(index, held)


def _total(index: Index, held: Held) -> Iterator[Problem]:
    """Whether the tensors take what the index says that they take together."""
    tensors = [tensor for part in index.mapped for tensor in held[part]]
    every = sum(tensor.nbytes for tensor in tensors)
    stored = sum(
        {
            (part, tensor.storage.key): tensor.storage.nbytes
            for part in index.mapped
            for tensor in held[part]
            if tensor.storage is not None
        }.values()
    )
    # Weights that are shared are counted twice by some writers.
    shared = {tensor.nbytes for tensor in tensors} if index.tied else set()
    if index.nbytes not in (every, stored) and (index.nbytes or 0) - every not in shared:
        yield _problem(
            index.name,
            f"{index.name} says that all tensors take {index.nbytes} bytes, and those in the shards"
            f" take {every}: a shard is from another save, or the index is",
        )


def _problem(part: str, message: str) -> Problem:
    return Problem(
        code="CD104",
        severity=Severity.WARNING,
        subject=part,
        message=message,
        evidence={"part": part},
        remedy="Compare the shards with those of another checkpoint of the same model.",
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
