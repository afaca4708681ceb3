"""Copies of a training in memory, to go back to when it explodes.

Two are kept, because an explosion takes several steps to reach NaN: a copy that is too young may
have been taken in the middle of it. Going back a second time goes to the older one, too.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Snapshots", "Stateful"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """What a snapshot is taken of.

    Args:
        modules: the model, and the EMA if it is a module: parameters and buffers.
        optimizers: their state and their ``param_groups``.
        others: scheduler and scaler: whatever has ``state_dict`` and ``load_state_dict``.
        left_out: buffers that the forward pass of the next batch has written to already.
        instead: copies of them as they were.
    """

    modules: list[torch.nn.Module]
    optimizers: list[torch.optim.Optimizer]
    others: list[Any]
    left_out: list[torch.Tensor]
    instead: list[torch.Tensor]


@dataclass(slots=True, kw_only=True)
class _Snapshot:
    step: int
    tensors: list[torch.Tensor]
    states: list[list[dict[str, Any]]]  # an optimizer: a parameter: what is known of it
    groups: list[list[dict[str, Any]]]
    others: list[dict[str, Any]]
    lr_scale: float
    used: bool = False


class Snapshots:
    """The last two copies.

    Args:
        of: what to copy.
        device: where copies lie; None is where the tensors themselves are.
    """

    def __init__(self, of: Stateful, device: torch.device | None) -> None:
        self._of = of
        self._device = device
        self._taken: list[_Snapshot] = []  # the oldest first

    @property
    def empty(self) -> bool:
        """Whether there is nothing to go back to yet."""
        return not self._taken

    def forget(self) -> None:
        """Let go of all copies."""
        self._taken.clear()

    @torch.no_grad()
    def take(self, step: int, lr_scale: float) -> None:
        """Copy the training as it is after ``step``, into the memory of the oldest copy."""
        spare = self._taken.pop(0) if len(self._taken) == 2 else None
        old = iter(spare.tensors if spare else ())
        kept: list[torch.Tensor] = []

        def copied(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return copy.deepcopy(value)
            kept.append(self._copy(value, next(old, None)))
            return kept[-1]

        for tensor in self._tensors():
            copied(tensor)
        states = [
            [
                {key: copied(value) for key, value in optimizer.state.get(parameter, {}).items()}
                for group in optimizer.param_groups
                for parameter in group["params"]
            ]
            for optimizer in self._of.optimizers
        ]
        groups = [
            [
                {key: _plain(value) for key, value in group.items() if key != "params"}
                for group in optimizer.param_groups
            ]
            for optimizer in self._of.optimizers
        ]
        others = [copy.deepcopy(other.state_dict()) for other in self._of.others]
        self._taken.append(
            _Snapshot(
                step=step,
                tensors=kept,
                states=states,
                groups=groups,
                others=others,
                lr_scale=lr_scale,
            )
        )

    @torch.no_grad()
    def restore(self, latest: int) -> tuple[int, float]:
        """Go back; the step of the copy, and the scale of the learning rate at that time.

        All is written into the tensors that exist, which a compiled or sharded model relies on.

        Args:
            latest: a copy of a later step is used only if there is no other.
        """
        newest = self._taken[-1]
        if (newest.used or newest.step > latest) and len(self._taken) == 2:
            self._taken.pop()
        snapshot = self._taken[-1]
        snapshot.used = True
        for live, kept in zip(self._tensors(), snapshot.tensors, strict=False):
            live.copy_(kept)
        for optimizer, states, groups in zip(
            self._of.optimizers, snapshot.states, snapshot.groups, strict=True
        ):
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            for parameter, state in zip(parameters, states, strict=True):
                _put_back(optimizer.state, parameter, state)
            for group, before in zip(optimizer.param_groups, groups, strict=True):
                for key, value in before.items():
                    group[key] = _replaced(group.get(key), value)
        for other, state in zip(self._of.others, snapshot.others, strict=True):
            other.load_state_dict(copy.deepcopy(state))
        return snapshot.step, snapshot.lr_scale

    def _tensors(self) -> list[torch.Tensor]:
        tensors: dict[int, torch.Tensor] = {id(one): one for one in self._of.instead}
        left_out = {id(one) for one in self._of.left_out}
        for module in self._of.modules:
            for tensor in (*module.parameters(), *module.buffers()):
                if id(tensor) not in left_out:
                    tensors.setdefault(id(tensor), _local(tensor))
        for optimizer in self._of.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    tensors.setdefault(id(parameter), _local(parameter))
        return list(tensors.values())

    def _copy(self, value: torch.Tensor, spare: torch.Tensor | None) -> torch.Tensor:
        value = _local(value)
        if spare is not None and _kind(spare) == _kind(value):
            return spare.copy_(value)
        if self._device is None:
            return value.clone()
        return value.to(self._device, copy=True)


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or this rank's shard of it; shares its memory."""
    shard = getattr(tensor, "to_local", None)
    return (tensor if shard is None else shard()).detach()


def _kind(tensor: torch.Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.layout


def _plain(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)


def _replaced(live: Any, value: Any) -> Any:
    if isinstance(live, torch.Tensor) and isinstance(value, torch.Tensor):
        _local(live).copy_(value)
        return live
    return _plain(value)


def _put_back(live: Any, parameter: torch.Tensor, state: dict[str, Any]) -> None:
    if not state:
        live.pop(parameter, None)
        return
    mine = live[parameter]
    for key in [key for key in mine if key not in state]:
        del mine[key]
    for key, value in state.items():
        mine[key] = _replaced(mine.get(key), value)
