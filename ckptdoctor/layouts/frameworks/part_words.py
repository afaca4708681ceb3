"""What part of a training a file's name announces, and what is left of the name without it."""

from __future__ import annotations

import itertools
import re

from ckptdoctor.layouts.files import PartRole
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["PartWords", "is_checkpoint_name", "part_words"]

_ENDING = re.compile(r"(?:\.(?:pt|pth|ckpt|bin|safetensors|state)(?:\.tar)?)$", re.IGNORECASE)
_TOKENS = re.compile(r"[^\W\d_]+|\d+\.\d+|\d+")
_ROLES = {
    PartRole.OPTIMIZER: frozenset("opt optim optims optimizer optimizers optimiser".split()),
    PartRole.SCHEDULER: frozenset("scheduler schedulers sched lrscheduler lrsched".split()),
    PartRole.SCALER: frozenset("scaler gradscaler".split()),
    PartRole.RNG: frozenset(["rng"]),
    PartRole.EMA: frozenset(["ema"]),
}
_STATES = {
    "random": PartRole.RNG,
    "extra": PartRole.STATE,
    "trainer": PartRole.STATE,
    "training": PartRole.STATE,
    "train": PartRole.STATE,
}
"""What ``state`` is, by the word before it."""
_MODEL = frozenset("model models net network weights module".split())
_FILLING = frozenset("state states dict statedict params pytorch ckpt checkpoint lr grad".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWords:
    """A file's name, taken apart.

    Attributes:
        role: what its words announce; the model where they announce nothing.
        is_clear: whether they announce one thing: ``model_optimizer`` may hold both.
        word: those words as a prefix of names: ``optimizer``, ``ema_0.9999``; "" for a model.
        rest: the words and numbers that are left, in lower case and in order.
    """

    role: PartRole
    is_clear: bool
    word: str
    rest: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those of the rest."""
        return tuple(one for one in self.rest if one[0].isdecimal())

    @property
    def words(self) -> frozenset[str]:
        """Those of the rest."""
        return frozenset(one for one in self.rest if not one[0].isdecimal())


def is_checkpoint_name(name: str) -> bool:
    """Whether a name ends as those of checkpoints do."""
    return not name.startswith(".") and _ENDING.search(name) is not None


def part_words(name: str) -> PartWords:
    """The part that a file's name announces.

    ``optimizer_epoch_3.pth`` is an optimizer, and ``epoch`` and ``3`` are left, as of
    ``model_epoch_3.pth``.
    """
    tokens = [one.lower() for one in _TOKENS.findall(_ENDING.sub("", name))]
    role, own = _role(tokens)
    if role is PartRole.EMA:  # ema_0.9999_010000.pt has its decay
        own += [at for at, one in enumerate(tokens) if "." in one]
    filling = {at for at, one in enumerate(tokens) if one in _MODEL or one in _FILLING}
    return PartWords(
        role=role,
        is_clear=role is not PartRole.OPTIMIZER or _MODEL.isdisjoint(tokens),
        word="_".join(tokens[at] for at in sorted(own)),
        rest=tuple(one for at, one in enumerate(tokens) if at not in filling and at not in own),
    )


def _role(tokens: list[str]) -> tuple[PartRole, list[int]]:
    """What is announced, and by which words."""
    for role, words in _ROLES.items():
        own = [at for at, one in enumerate(tokens) if one in words]
        if own:
            return role, own
    for at, (before, word) in enumerate(itertools.pairwise(tokens)):
        if word in ("state", "states") and before in _STATES:
            return _STATES[before], [at, at + 1]
    return PartRole.MODEL, []
