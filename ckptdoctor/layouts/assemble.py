"""The checkpoints in the parts, put together to one."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint, FileIdentity, GlobalUse, Role, Scalar, StorageRef
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole

__all__ = ["assembled", "in_checkpoint", "role_in_state"]

_ROLES = {
    PartRole.EMA: Role.EMA,
    PartRole.OPTIMIZER: Role.OPTIMIZER,
    PartRole.SCALER: Role.SCALER,
    PartRole.SCHEDULER: Role.SCHEDULER,
}


def role_in_state(role: PartRole) -> Role:
    """What part of the training state the tensors of a part belong to; of a model, the model."""
    return Role.MODEL if role is PartRole.MODEL else _ROLES.get(role, Role.OTHER)


def in_checkpoint(checkpoint: Checkpoint, part: Part, taken: Container[str] = ()) -> Checkpoint:
    """A part as the checkpoint knows it: its tensors by their names there, with their roles.

    Args:
        checkpoint: what the reader returned.
        part: what it is in the checkpoint.
        taken: names that other parts have; what bears one of them gets the part's name in front.
    """
    own = None if part.role is PartRole.MODEL else role_in_state(part.role)
    tensors = []
    for tensor in checkpoint.tensors:
        told = part.role_of(tensor.fqn) if part.role_of is not None else None
        role = told or own or tensor.role
        fqn = part.prefix + tensor.fqn
        if fqn in taken:
            fqn = f"{part.name}:{fqn}"
        if fqn != tensor.fqn or role is not tensor.role:
            tensor = replace(tensor, fqn=fqn, role=role)  # noqa: PLW2901
        tensors.append(tensor)
    scalars = checkpoint.scalars
    if part.prefix:
        scalars = {part.prefix + path: value for path, value in scalars.items()}
    return replace(checkpoint, tensors=tuple(tensors), scalars=scalars, structure=None)


def assembled(files: CheckpointFiles, parts: Sequence[tuple[Part, Checkpoint]]) -> Checkpoint:
    """One checkpoint of all parts.

    Its records are not those of one file: a part's name stands before each key, and an offset
    counts in the part.

    Args:
        files: which belong together.
        parts: those that could be read, by the names of :func:`in_checkpoint`.
    """
    scalars: dict[str, Scalar] = dict(files.scalars)
    for _, checkpoint in parts:
        for path, value in checkpoint.scalars.items():
            scalars.setdefault(path, value)
    every = [checkpoint for _, checkpoint in parts]
    first = every[0].identity if every else FileIdentity(device=0, inode=0, nbytes=0, mtime_ns=0)
    nbytes = sum(checkpoint.nbytes for checkpoint in every)
    return Checkpoint(
        path=files.path,
        format=files.layout,
        nbytes=nbytes,
        tensors=tuple(
            replace(tensor, storage=_of_part(tensor.storage, part))
            for part, checkpoint in parts
            for tensor in checkpoint.tensors
        ),
        scalars=scalars,
        globals=_summed(use for checkpoint in every for use in checkpoint.globals),
        calls=tuple(call for checkpoint in every for call in checkpoint.calls),
        identity=replace(
            first,
            nbytes=nbytes,
            mtime_ns=max((one.identity.mtime_ns for one in every), default=0),
        ),
    )


def _of_part(storage: StorageRef | None, part: Part) -> StorageRef | None:
    return None if storage is None else replace(storage, key=f"{part.name}:{storage.key}")


def _summed(uses: Iterable[GlobalUse]) -> tuple[GlobalUse, ...]:
    """Each global once."""
    known: dict[str, GlobalUse] = {}
    for use in uses:
        first = known.get(use.name)
        known[use.name] = use if first is None else replace(first, count=first.count + use.count)
    return tuple(known.values())
