"""What can be done to a copy: the learning rate, the optimizer, the EMA, the names of the weights.

Each edit changes the draft and notes what it did, in words that a person reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.pickle.nodes import DictNode, Instance
from ckptdoctor.formats.pickle.unfinished import REST
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Draft, number_of, text_keys
from ckptdoctor.recovery.patches import exchange, reset_batch_norm, zero_non_finite
from ckptdoctor.recovery.rates import change_rates, set_rates
from ckptdoctor.recovery.stored_growth import decay_action, stop_growth
from ckptdoctor.recovery.stored_rise import warm_up_anew
from ckptdoctor.recovery.tree import Place, entries, everywhere, find, places, remove, rename
from ckptdoctor.rules.averaged import twins

__all__ = ["RESET_NOTICE", "Edits", "apply_edits", "salvage"]

RESET_NOTICE = (
    "the optimizer starts with empty moments: warm the learning rate up, and expect the loss to "
    "rise for some steps"
)
_SCALE_AT_START = 65536.0  # torch.amp.GradScaler


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What the user wants changed.

    Attributes:
        scale_lr: factor for every stored learning rate.
        set_lr: the largest learning rate is to be this, the others in proportion.
        lr_decay: what schedules that raise the rate are to multiply it with, at most 1.
        warm_up: epochs over which the stored schedule is to rise anew.
        reset_optimizer: forget the moments, keep the groups.
        weights_only: keep the model and the plain values alone.
        strip_prefix: taken from the names of the weights, such as ``module.``.
        use_ema: the averaged weights instead of the model's.
        graft: a checkpoint to take the bad tensors of the model from.
        reset_bn: running statistics as of a new layer.
        zero_nonfinite: 0 in place of NaN and Inf; the result is not to be trusted.
        average: the checkpoints whose weights are averaged with those of the source.
        to_safetensors: the weights alone, as safetensors.
    """

    scale_lr: float | None = None
    set_lr: float | None = None
    lr_decay: float | None = None
    warm_up: float | None = None
    reset_optimizer: bool = False
    weights_only: bool = False
    strip_prefix: str = ""
    use_ema: bool = False
    graft: Path | None = None
    reset_bn: bool = False
    zero_nonfinite: bool = False
    average: tuple[CheckpointFiles, ...] = ()
    to_safetensors: bool = False

    @property
    def any(self) -> bool:
        """Whether the checkpoint itself is to be changed."""
        return replace(self, to_safetensors=False) != Edits()

    @property
    def mends_weights(self) -> bool:
        """Whether they can make sound weights of bad ones."""
        return self.use_ema or self.graft is not None or self.reset_bn or self.zero_nonfinite


def apply_edits(draft: Draft, edits: Edits) -> None:
    """Do what the user asked for.

    Raises:
        RestoreError: it cannot be done to this checkpoint.
    """
    if edits.use_ema:
        _use_ema(draft)
    if edits.reset_bn:
        reset_batch_norm(draft)
    if edits.zero_nonfinite:
        zero_non_finite(draft)
    if edits.weights_only:
        _keep_weights_only(draft)
    elif edits.reset_optimizer:
        _reset_optimizers(draft, "reset-optimizer", "as asked")
    if edits.scale_lr is not None:
        change_rates(draft, edits.scale_lr)
    if edits.set_lr is not None:
        set_rates(draft, edits.set_lr)
    if edits.lr_decay is not None:
        changed = stop_growth(draft, edits.lr_decay)
        draft.actions.append(decay_action(changed, edits.lr_decay, draft.checkpoint.path))
    if edits.warm_up is not None:
        warm_up_anew(draft, edits.warm_up)
    if edits.strip_prefix:
        _strip_prefix(draft, edits.strip_prefix)


def salvage(draft: Draft) -> None:
    """Drop or reset what is poisoned or lost beside sound weights.

    Raises:
        RestoreError: the model itself is not sound, or the rest cannot be told from it.
    """
    bad = [tensor for tensor in draft.checkpoint.tensors if draft.is_bad(tensor)]
    roles = {tensor.role for tensor in bad}
    if Role.OPTIMIZER in roles or _has_negative_moments(draft):
        _mend_optimizers(draft, bad)
    if Role.EMA in roles:
        _mend_ema(draft, _why(bad, Role.EMA))
    if Role.SCALER in roles or _scale_is_broken(draft):
        _reset_scaler(draft)
    for tensor in bad:
        if tensor.role in (Role.OTHER, Role.SCHEDULER, Role.SCALER):
            _drop_top(draft, tensor)


def _mend_optimizers(draft: Draft, bad: list[TensorRecord]) -> None:
    """Forget the moments; drop an optimizer of which not even the groups are left."""
    states = tuple(f"{place.name_of('state')}." for place in draft.optimizers())
    for tensor in bad:
        if tensor.role is Role.OPTIMIZER and not tensor.fqn.startswith(states):
            _drop_top(draft, tensor)
    if states and any(draft.optimizers()):
        _reset_optimizers(draft, "reset-optimizer", _why(bad, Role.OPTIMIZER))


def _why(bad: list[TensorRecord], role: Role) -> str:
    """What is wrong with the tensors of a role."""
    of_role = [tensor for tensor in bad if tensor.role is role]
    lost = sum(tensor.lost for tensor in of_role)
    parts = []
    if lost:
        parts.append(f"{lost} of its tensors are lost")
    if len(of_role) > lost:
        parts.append(f"{len(of_role) - lost} of its tensors hold NaN or Inf or are damaged")
    return " and ".join(parts) or "its second moments are negative"


# -- the optimizer and its rates -----------------------------------------------------------------


def _has_negative_moments(draft: Draft) -> bool:
    return any(
        (low := draft.stats[tensor.fqn].min) is not None and low < 0.0
        for tensor in draft.tensors(Role.OPTIMIZER)
        if tensor.fqn in draft.stats and tensor.fqn.endswith(("exp_avg_sq", "square_avg", ".sum"))
    )


def _reset_optimizers(draft: Draft, name: str, why: str) -> None:
    found = list(draft.optimizers())
    if not found:
        raise RestoreError(
            f"{draft.checkpoint.path}: there is no optimizer with state and param_groups to reset; "
            "use --weights-only"
        )
    for place in found:
        state = find(place.node, "state")
        if state is not None:
            state.put(DictNode([]))
            _forget(draft, place.name_of("state"))
            draft.did(name, f"{_named(place)}moments dropped, groups kept: {why}", RESET_NOTICE)


def _named(place: Place) -> str:
    """``optimizer: ``; "" for what is all that the file holds."""
    return f"{place.fqn}: " if place.path else ""


def _forget(draft: Draft, prefix: str) -> None:
    """Everything below this name is no longer what it was."""
    draft.touched.add(prefix)


# -- scaler --------------------------------------------------------------------------------------


def _scalers(draft: Draft) -> Iterator[Place]:
    for place in everywhere(draft.saved.root):
        if {"scale", "growth_factor"} <= text_keys(place.node):
            yield place


def _scale_is_broken(draft: Draft) -> bool:
    for place in _scalers(draft):
        scale = find(place.node, "scale")
        value = None if scale is None else number_of(scale.node)
        if value is not None and not 1.0 <= value < float("inf"):
            return True
    return False


def _reset_scaler(draft: Draft) -> None:
    for place in _scalers(draft):
        for key, value in (("scale", _SCALE_AT_START), ("_growth_tracker", 0)):
            entry = find(place.node, key)
            if entry is not None:
                entry.put(value)
                draft.touched.add(place.name_of(key))
        draft.did(
            "reset-scaler",
            f"{_named(place)}loss scale set to {_SCALE_AT_START:g}, as at the start",
            "the first steps may be skipped until the scale has settled",
        )


# -- EMA and weights -----------------------------------------------------------------------------


def _replace(draft: Draft, pairs: list[tuple[TensorRecord, TensorRecord]]) -> None:
    """Put each second tensor where the first one stands."""
    for tensor, twin in pairs:
        to, origin = draft.place(tensor.fqn), draft.place(twin.fqn)
        if to is None or origin is None:  # inside an object of a class: the tree stays as it is
            exchange(draft, tensor, twin)
        else:
            to.put(origin.node)
        draft.touched.add(tensor.fqn)


def _mend_ema(draft: Draft, why: str) -> None:
    """Start the average afresh from the weights; where the names do not match, drop it."""
    pairs, alone = twins(draft.tensors(Role.EMA), draft.tensors(Role.MODEL))
    usable = pairs and all(draft.place(t.fqn) and draft.place(o.fqn) for t, o in pairs)
    counters = [tensor for tensor in draft.tensors(Role.EMA) if tensor.fqn in alone]
    counts = all(t.fqn.endswith("n_averaged") and not draft.is_bad(t) for t in counters)
    if usable and counts:
        _replace(draft, pairs)
        draft.did(
            "reset-ema",
            f"{len(pairs)} averaged tensors are the model's own now: {why}",
            "the average starts afresh; its scores equal the model's at first",
        )
        return
    for tensor in draft.tensors(Role.EMA):
        _drop_top(draft, tensor)


def _use_ema(draft: Draft) -> None:
    pairs, alone = twins(draft.tensors(Role.MODEL), draft.tensors(Role.EMA))
    bad = [twin.fqn for _, twin in pairs if draft.is_bad(twin)]
    if not pairs or alone or bad:
        what = (
            "it holds no averaged weights beside the model"
            if not pairs
            else f"{alone[0]} has no counterpart in the average"
            if alone
            else f"{bad[0]} is not finite either"
        )
        raise RestoreError(f"{draft.checkpoint.path}: --use-ema cannot be done: {what}")
    _replace(draft, pairs)
    others = [twin for tensor, twin in pairs if twin.dtype != tensor.dtype]
    draft.did(
        "use-ema",
        f"{len(pairs)} tensors of the model are those of the average now",
        f"{len(others)} of them are {others[0].dtype}" if others else "",
    )


def _drop_top(draft: Draft, tensor: TensorRecord) -> None:
    """Drop the entry at the root under which a tensor stands."""
    for place in entries(draft.saved.root):
        name = place.path[-1]
        if tensor.fqn == name or tensor.fqn.startswith(f"{name}."):
            remove(place)
            _forget(draft, name)
            message = f"{name!r} is left out: {tensor.fqn} is not sound"
            missing = f"no {name!r}"
            if name == REST:
                message, missing = "the file is cut here", "nothing of what may have followed"
            notice = f"the file has {missing}: a script that reads it has to do without"
            draft.did("drop", message, notice)
            return


def _keep_weights_only(draft: Draft) -> None:
    roots = {tensor.fqn.partition(".")[0] for tensor in draft.tensors(Role.MODEL)}
    if any(place.path[-1] not in roots for place in entries(draft.saved.root)):
        for place in list(entries(draft.saved.root))[::-1]:
            name = place.path[-1]
            plain = not isinstance(place.node, DictNode | Instance | list | tuple)
            if name not in roots and not plain:
                remove(place)
                _forget(draft, name)
    draft.did(
        "weights-only",
        f"kept {', '.join(sorted(roots))} and the plain values",
        "optimizer, scheduler and scaler start afresh",
    )


def _strip_prefix(draft: Draft, prefix: str) -> None:
    weights = {tensor.fqn for tensor in draft.tensors(Role.MODEL, Role.EMA)}
    renamed = 0
    for place in list(places(draft.saved.root)):
        name = place.path[-1]
        if place.fqn in weights and name.startswith(prefix) and len(name) > len(prefix):
            rename(place, name.removeprefix(prefix))
            stripped = (*place.path[:-1], name.removeprefix(prefix))
            draft.renamed[".".join(stripped)] = place.fqn
            renamed += 1
    if not renamed:
        raise RestoreError(f"{draft.checkpoint.path}: no name of a weight begins with {prefix!r}")
    draft.did("strip-prefix", f"{renamed} names lost {prefix!r}")
