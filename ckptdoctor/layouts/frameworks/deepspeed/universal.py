"""DeepSpeed's universal checkpoints: ``zero/PARAMETER/fp32.pt``, and a file for each of its states.

Source: deepspeed 0.19, ``checkpoint/ds_to_universal.py``. A parameter that never had a gradient has
``fp32.pt`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Role, Scalar
from ckptdoctor.layouts.files import Absent, Part, PartRole
from ckptdoctor.layouts.folder import Folder

__all__ = ["absent_parameters", "is_universal", "parameter_parts"]

_FOLDER = "zero"
_WEIGHT = "fp32.pt"
_COMMON = "optimizer_state.pt"


def is_universal(folder: Folder) -> bool:
    """Whether a folder of parameters lies in it."""
    if _FOLDER not in folder.folders:
        return False
    zero = folder.below(_FOLDER)
    return any(_WEIGHT in zero.below(name) for name in zero.folders)


def parameter_parts(folder: Folder) -> Iterator[Part]:
    """The files of all parameters."""
    zero = folder.below(_FOLDER)
    for parameter in zero.folders:
        for file in zero.below(parameter).files:
            if file.endswith(".pt"):
                weight = file == _WEIGHT
                yield Part(
                    path=zero.path / parameter / file,
                    name=f"{_FOLDER}/{parameter}/{file}",
                    role=PartRole.MODEL if weight else PartRole.OPTIMIZER,
                    prefix=f"{_FOLDER}.{parameter}.{file.removesuffix('.pt')}.",
                    role_of=_is_model if weight else _is_optimizer,
                )
    if _COMMON in zero:
        yield Part(
            path=zero.path / _COMMON,
            name=f"{_FOLDER}/{_COMMON}",
            role=PartRole.OPTIMIZER,
            prefix=f"{_FOLDER}.",
            role_of=_is_optimizer,
        )


def absent_parameters(folder: Folder, values: Mapping[str, Scalar]) -> Iterator[Absent]:
    """Parameters, and states of theirs, that should be there.

    Args:
        folder: that of the checkpoint.
        values: of the model's file, which has the shapes of all parameters.
    """
    zero = folder.below(_FOLDER)
    files = {name: set(zero.below(name).files) for name in zero.folders}
    states = {file for each in files.values() for file in each if file.endswith(".pt")}
    for parameter in sorted(files.keys() | _parameters(values)):
        there = files.get(parameter, set())
        if _WEIGHT not in there:
            yield _absent(parameter, _WEIGHT, PartRole.MODEL)
        for state in sorted(states - {_WEIGHT} - there):
            if len(there & states) > 1 or (there & states) - {_WEIGHT}:
                yield _absent(parameter, state, PartRole.OPTIMIZER)
    if _COMMON not in zero:
        yield Absent(
            name=f"{_FOLDER}/{_COMMON}",
            role=PartRole.OPTIMIZER,
            because="every universal checkpoint has it",
        )


def _absent(parameter: str, file: str, role: PartRole) -> Absent:
    return Absent(
        name=f"{_FOLDER}/{parameter}/{file}",
        role=role,
        because="the model has this parameter"
        if file == _WEIGHT
        else "other parameters have this state",
        tensors=(f"{_FOLDER}.{parameter}.{file.removesuffix('.pt')}",),
    )


def _parameters(values: Mapping[str, Scalar]) -> set[str]:
    """The names in ``param_shapes``, a list of groups: ``param_shapes.0.layer.weight.1``."""
    keys = (key.split(".") for key in values if key.startswith("param_shapes."))
    return {".".join(parts[2:-1]) for parts in keys if len(parts) > 3}


def _is_model(name: str) -> Role | None:  # noqa: ARG001
    return Role.MODEL


def _is_optimizer(name: str) -> Role | None:  # noqa: ARG001
    return Role.OPTIMIZER
