"""Which parameter a state of an optimizer is of. torch matches them by their order alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field

from ckptdoctor.checkpoint import Checkpoint, Role, Scalar, TensorRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.member import is_trained

__all__ = ["States", "states_of"]

_STATES = ("exp_avg_sq", "square_avg", "momentum_buffer")
_LISTED = re.compile(r"^(|.*\.)param_groups\.(\d+)\.params\.(\d+)$")
_NAMED = re.compile(r"^(|.*\.)param_groups\.(\d+)\.param_names\.(\d+)$")
_RATE = "lr"
_STEPS = re.compile(r"(^|\.)state\.[^.]+\.step$")
_BETA2 = re.compile(r"(^|\.)param_groups\.\d+\.betas\.1$")


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The states of the optimizers of a checkpoint.

    Attributes:
        tensors: the running average of squares, or the momentum, with the parameter that it is of;
            the tensor's own name where that is not certain.
        rates: the learning rate of each parameter that is known.
        counter: the tensor that counts its steps; None where there is none, or a number does.
        steps: that such a number says; None where there is none.
        betas2: by which means of squares decay a step.
    """

    tensors: tuple[tuple[str, TensorRecord], ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    counter: TensorRecord | None = None
    steps: float | None = None
    betas2: frozenset[float] = frozenset()


def states_of(checkpoint: Checkpoint) -> States:
    """What a checkpoint holds of them.

    An index stands for the parameter at the same place of the model where their number and all
    shapes agree; where a group lists names those are taken, and where the state has names.
    """
    states: dict[str, dict[str, TensorRecord]] = {}
    for tensor in checkpoint.tensors:
        place = _place_of(tensor.fqn) if tensor.role is Role.OPTIMIZER else None
        if place is not None:
            states.setdefault(place[0], {})[place[1]] = tensor
    weights = [one for one in checkpoint.tensors if one.role is Role.MODEL and is_trained(one.fqn)]
    weights = [one for one in weights if one.dtype_info.kind.name == "FLOAT"]
    found: list[tuple[str, TensorRecord]] = []
    rates: dict[str, float] = {}
    groups = _groups(checkpoint.scalars)
    for root in dict.fromkeys([*states, *groups]):
        own, listed = states.get(root, {}), groups.get(root, [])
        names = _names(own, [key for key, _ in listed], weights, _told(checkpoint.scalars, root))
        found += [(names.get(key, tensor.fqn), tensor) for key, tensor in own.items()]
        for key, group in listed:
            rate = checkpoint.scalars.get(f"{root}param_groups.{group}.{_RATE}")
            if key in names and isinstance(rate, float) and rate > 0.0:
                rates[names[key]] = rate
    return States(
        tensors=tuple(found),
        rates=rates,
        counter=next(filter(_is_counter, checkpoint.tensors), None),
        steps=max(_numbers(checkpoint.scalars, _STEPS), default=None),
        betas2=frozenset(_numbers(checkpoint.scalars, _BETA2)),
    )


def _place_of(fqn: str) -> tuple[str, str] | None:
    """What stands before ``state.``, and the key behind it; None for what is no such state."""
    path, _, word = fqn.rpartition(".")
    if word not in _STATES:
        return None
    parts = path.split(".")
    if "state" not in parts[:-1]:
        return None
    at = parts.index("state")
    return "".join(f"{part}." for part in parts[:at]), ".".join(parts[at + 1 :])


def _is_counter(tensor: TensorRecord) -> bool:
    return (
        tensor.role is Role.OPTIMIZER
        and tensor.numel == 1
        and _STEPS.search(tensor.fqn) is not None
    )


def _numbers(scalars: Mapping[str, Scalar], pattern: re.Pattern[str]) -> list[float]:
    """The numbers under the paths that match."""
    return [
        float(value)
        for path, value in scalars.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and pattern.search(path)
    ]


def _groups(scalars: Mapping[str, Scalar]) -> dict[str, list[tuple[str, int]]]:
    """By optimizer, the keys of parameters in the order of its groups, with their group."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for path, value in scalars.items():
        if "param_groups" in path and (match := _LISTED.match(path)):
            found.setdefault(match[1], []).append((int(match[2]), int(match[3]), str(value)))
    return {root: [(key, group) for group, _, key in sorted(own)] for root, own in found.items()}


def _told(scalars: Mapping[str, Scalar], root: str) -> dict[tuple[int, int], str]:
    """The names that groups list, as optimizers do that were given named parameters."""
    return {
        (int(match[2]), int(match[3])): str(value)
        for path, value in scalars.items()
        if "param_names" in path and (match := _NAMED.match(path)) and match[1] == root
    }


def _names(
    own: Mapping[str, TensorRecord],
    listed: Sequence[str],
    weights: Sequence[TensorRecord],
    told: Mapping[tuple[int, int], str],
) -> dict[str, str]:
    """By the key of a state, the name of its parameter."""
    by_tail = {tail: one.fqn for one in weights for tail in _tails(one.fqn)}
    if told and len(told) == len(listed):
        in_order = [told[place] for place in sorted(told)]
        return {
            key: by_tail[name]
            for key, name in zip(listed, in_order, strict=True)
            if name in by_tail
        }
    named = {key: by_tail[key] for key in own if key in by_tail}
    if named:
        return named
    if len(listed) != len(weights):
        return {}
    names = {key: weight.fqn for key, weight in zip(listed, weights, strict=True)}
    shapes = {weight.fqn: weight.shape for weight in weights}
    agree = all(tensor.shape == shapes[names[key]] for key, tensor in own.items() if key in names)
    return names if agree else {}


def _tails(fqn: str) -> list[str]:
    """A name, and what is left of it without its first parts."""
    parts = fqn.split(".")
    return [".".join(parts[at:]) for at in range(min(len(parts), 4))]
