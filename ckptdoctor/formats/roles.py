"""Which part of the training state a key stands for: weights, EMA, optimizer, and so on.

Sources: the checkpoint layouts of Lightning, MMEngine, Detectron2, timm, Ultralytics, BasicSR,
fairseq, torchtune and the Hugging Face Trainer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ckptdoctor.checkpoint import Role

__all__ = ["Unsettled", "role_of_dict", "role_of_key", "settle_roles"]

# The first that matches decides; "optimizer_ema" is an optimizer, "model_ema" an EMA.
_PATTERNS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (Role.OPTIMIZER, re.compile(r"optim")),
    (Role.SCHEDULER, re.compile(r"sched|^lr_")),
    (Role.SCALER, re.compile(r"scaler|loss_scal|^amp$")),
    (Role.EMA, re.compile(r"(^|[_.])(ema|swa|averaged|shadow)([_.]|$)")),
    (
        Role.OTHER,
        re.compile(
            r"rng|random_state|^(history|metrics?|results?|callbacks?|loops|hyper_parameters|args"
            r"|config|cfg|meta|message_hub|loss(es)?|best_.*|epoch|global_step|step|iteration)$"
        ),
    ),
    (
        Role.MODEL,
        re.compile(
            r"state_dict$|^(model|net|network|module|weights|params)$|^model_|_weights$|_model$"
        ),
    ),
)

_STATE_DICT_LEAVES = frozenset(
    """
    weight bias running_mean running_var num_batches_tracked in_proj_weight in_proj_bias
    """.split()
)


def role_of_key(key: str) -> Role | None:
    """The role that a key near the root announces, or None where it says nothing."""
    if key.isdecimal():
        return None
    lowered = key.lower()
    for role, pattern in _PATTERNS:
        if pattern.search(lowered):
            return role
    return None


def role_of_dict(keys: Iterable[str]) -> Role | None:
    """The role of a dict that only one kind of object writes, whatever key it stands under."""
    found = set(keys)
    if {"state", "param_groups"} <= found or {"exp_avg", "exp_avg_sq"} <= found:
        return Role.OPTIMIZER
    if {"scale", "growth_factor", "_growth_tracker"} <= found:
        return Role.SCALER
    if "base_lrs" in found or {"last_epoch", "_last_lr"} <= found:
        return Role.SCHEDULER
    if any(states <= found for states in _RANDOM_STATES):
        return Role.OTHER
    return None


# The Trainer of transformers, and accelerate, write them to files of their own.
_RANDOM_STATES = (
    frozenset({"python", "cpu"}),
    frozenset({"random_state", "torch_manual_seed"}),
)


class Unsettled(NamedTuple):
    """What is known of a tensor before the rest of the file is.

    Attributes:
        role: that its place announces, or None.
        name: its own name, "" for one at the root.
        is_single: whether it is one number, as counters are.
    """

    role: Role | None
    name: str
    is_single: bool = False


def settle_roles(found: Sequence[Unsettled], *, is_object: bool) -> list[Role]:
    """A role for every tensor, the undecided ones by what the rest of the file holds.

    Averaged weights that are the only weights of a file are its model: that is how Ultralytics
    saves, and what everybody loads from such a file.

    Args:
        found: the tensors.
        is_object: whether the file is one pickled object, such as a whole ``nn.Module``.
    """
    announced = any(one.role is Role.MODEL for one in found)
    averaged = not announced and _only_averaged(found)
    roles = [Role.MODEL if averaged and one.role is Role.EMA else one.role for one in found]
    if is_object or not (announced or averaged):
        return [role or Role.MODEL for role in roles]
    # Weights elsewhere in the file are named as such: the undecided ones must look like weights.
    return [
        role or (Role.MODEL if one.name in _STATE_DICT_LEAVES else Role.OTHER)
        for role, one in zip(roles, found, strict=True)
    ]


def _only_averaged(found: Sequence[Unsettled]) -> bool:
    """Whether what is undecided is too little to be the model of which an average is there."""
    arrays = [one.role for one in found if not one.is_single]
    return _MOST_BESIDE * arrays.count(None) < arrays.count(Role.EMA)


_MOST_BESIDE = 4  # an average has a tensor for each of the model's, and several may be kept
