"""Schedules that multiply the rate by more than 1, and what a checkpoint stores of them.

``gamma=8`` in place of 0.8 raises the rate at every step of the schedule. torch's schedulers load
the factor from their state, over that of the script: what is stored there holds after a resume.

Sources: ``load_state_dict`` and ``get_lr`` of ``torch.optim.lr_scheduler`` (2.13),
``timm/scheduler/scheduler.py`` and ``step_lr.py`` (1.0), ``mmengine/optim/scheduler/
param_scheduler.py`` (0.10).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import RestoreError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Action, Draft, number_of, text_keys
from ckptdoctor.recovery.tree import Place, entries, everywhere, find
from ckptdoctor.runs.optimizer_facts import plain_number

__all__ = [
    "GROWS",
    "Growth",
    "decay_action",
    "growth_of",
    "growths_of",
    "is_growth",
    "stop_growth",
]

GROWS: Mapping[str, frozenset[str]] = {
    "gamma": frozenset({"last_epoch", "last_step"}),  # arguments have a step_size as well
    "cycle_decay": frozenset({"t_initial"}),
    "decay_rate": frozenset({"decay_t"}),
    "factor": frozenset({"num_bad_epochs"}),
}
"""What a rate is multiplied by, and which keys beside it show that it is a schedule's."""

_FIRSTS = ("base_values", "max_lrs")  # of timm; of CyclicLR
_CHAINED = "last_step"  # of MMEngine, which has base_values as well
_COUNTS = ("last_epoch", "last_step")
_EVERY = ("step_size", "t_initial", "decay_t")
_ONE_BY_ONE = 1.0
_FIELDS = ("param_group_field", "param_name")  # of timm; of MMEngine
_TWICE = 2.0
_TENTH = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A schedule that multiplies the rate by more than 1, again and again.

    Attributes:
        path: of the setting: ``scheduler.gamma``.
        times: what the rate is multiplied with.
        every: after so many counts of the schedule; None where that is not stored.
        count: where the schedule stands; None where that is not stored.
        milestones: the counts at which it does, where it is not every so often.
        waits: whether it does so when the metric stands still, whenever that may be.
        from_first: whether each rate is reckoned from the first one, as by timm, and not from the
            one before.
    """

    path: str
    times: float
    every: float | None
    count: float | None
    milestones: tuple[float, ...] = ()
    waits: bool = False
    from_first: bool = False

    @property
    def name(self) -> str:
        """Of the setting: ``gamma``."""
        return self.path.rpartition(".")[2]

    @property
    def is_cycle(self) -> bool:
        """Whether it is the peak of a cycle that is multiplied, which comes down by itself."""
        return self.name == "cycle_decay"

    def left(self, at: float | None, total: float | None) -> int | None:
        """How often it still multiplies; None where that is not known.

        Where each rate comes from the first one, what was multiplied is multiplied anew.

        Args:
            at: the epoch of the checkpoint.
            total: epochs that are planned.
        """
        now = 0.0 if self.from_first else self.count
        if self.waits or now is None or total is None:
            return None
        end = total * self._counts_of_epoch(at) - 1
        if self.milestones:
            return sum(now < one <= end for one in self.milestones)
        if self.every is None:
            return None
        return max(0, int(end // self.every - now // self.every))

    def _counts_of_epoch(self, at: float | None) -> float:
        """How often the schedule is stepped in an epoch: once, or after each batch."""
        if self.count is None or at is None or at < 1 or self.count < _TWICE * at:
            return _ONE_BY_ONE
        return self.count / at

    def decay(self, at: float | None, total: float | None) -> float | None:
        """What to multiply with instead; None where nothing is multiplied any more.

        Where it is known how often, the rate ends at a tenth. Where the metric decides, the factor
        is turned around: 3 to a third. Else the rate stays, and so do the peaks of cycles.
        """
        left = self.left(at, total)
        if left == 0:
            return None
        if self.waits:
            return _two_digits(max(_TENTH, 1.0 / self.times))
        return 1.0 if left is None or self.is_cycle else _two_digits(_TENTH ** (1.0 / left))


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def growth_of(scalars: Mapping[str, Scalar]) -> Growth | None:
    """The first stored schedule that lets the rate grow; None where there is none."""
    return next(growths_of(scalars), None)


def growths_of(scalars: Mapping[str, Scalar]) -> Iterator[Growth]:
    """The stored schedules that let the rate grow.

    Args:
        scalars: of the checkpoint, by path.
    """
    for path, scalar in scalars.items():
        root, _, name = path.rpartition(".")
        root = f"{root}." if root else ""
        if not is_growth(name, plain_number(scalar)):
            continue
        beside = (key for key in GROWS[name] if f"{root}{key}" in scalars)
        fields = (scalars.get(f"{root}{key}") for key in _FIELDS)
        if not _is_schedule(beside, fields):
            continue
        yield _growth(path, root, float(plain_number(scalar) or 0.0), scalars)


def is_growth(name: str, value: float | None) -> bool:
    """Whether a setting of that name, if it is a schedule's, lets the rate grow."""
    return name in GROWS and value is not None and 1.0 < value < math.inf


def _is_schedule(beside: Iterable[str], fields: Iterable[object]) -> bool:
    """Whether the keys beside a setting are those of a schedule of the learning rate."""
    return any(True for _ in beside) and all(field in (None, "lr") for field in fields)


def _growth(path: str, root: str, times: float, scalars: Mapping[str, Scalar]) -> Growth:
    marks = f"{root}milestones."
    milestones = tuple(
        sorted(
            float(mark)
            for name in scalars
            if name.startswith(marks) and (mark := name[len(marks) :]).isdecimal()
        )
    )
    every, count = _number(scalars, root, *_EVERY), _number(scalars, root, *_COUNTS)
    waits = path.rpartition(".")[2] == "factor"
    if every is None and count is not None and not milestones and not waits:
        every = _ONE_BY_ONE
    firsts = any(f"{root}{key}.0" in scalars for key in _FIRSTS)
    return Growth(
        path=path,
        times=times,
        every=every,
        count=count,
        milestones=milestones,
        waits=waits,
        from_first=firsts and f"{root}{_CHAINED}" not in scalars,
    )


def _number(scalars: Mapping[str, Scalar], root: str, *keys: str) -> float | None:
    for key in keys:
        value = plain_number(scalars.get(f"{root}{key}"))
        if value is not None and value >= 0:
            return float(value)
    return None


# -- in a copy -----------------------------------------------------------------------------------


def stop_growth(draft: Draft, decay: float) -> list[tuple[str, float]]:
    """Let every stored schedule that raises the rate multiply by this; what was changed.

    Those that reckon each rate from the first one do so only after the next epoch: for that one, a
    rate that has grown is put back to the first.

    Args:
        draft: changed in place.
        decay: at most 1.
    """
    changed = []
    for holder in [*everywhere(draft.saved.root)]:
        for place in [*_growing(holder)]:
            changed.append((place.fqn, number_of(place.node) or 0.0))
            place.put(decay)
            draft.touched.add(place.fqn)
            _put_back(draft, _firsts_of(holder))
    return changed


def _firsts_of(holder: Place) -> list[float]:
    """The rates that a scheduler reckons from; none where each comes from the one before."""
    if _CHAINED in text_keys(holder.node):
        return []
    lists = (find(holder.node, key) for key in _FIRSTS)
    return [number_of(one.node) or 0.0 for held in lists if held for one in entries(held.node)]


def _put_back(draft: Draft, firsts: Sequence[float]) -> None:
    """Let no current rate be above these, one a group."""
    for optimizer in draft.optimizers():
        held = find(optimizer.node, "param_groups")
        groups = [*entries(held.node, (*optimizer.path, "param_groups"))] if held else []
        if len(groups) != len(firsts):
            continue
        for group, first in zip(groups, firsts, strict=True):
            now = find(group.node, "lr")
            rate = None if now is None else number_of(now.node)
            if now is not None and rate is not None and rate > first:
                now.put(first)
                draft.touched.add(group.name_of("lr"))


def _growing(holder: Place) -> Iterator[Place]:
    """The settings of one scheduler's state that raise the rate."""
    keys = text_keys(holder.node)
    for name in GROWS.keys() & keys:
        place = find(holder.node, name)
        if place is None or not is_growth(name, number_of(place.node)):
            continue
        fields = (find(holder.node, key) for key in _FIELDS if key in keys)
        if _is_schedule(GROWS[name] & keys, (one and one.node for one in fields)):
            yield Place((*holder.path, name), place.holder, place.index)


def decay_action(changed: Iterable[tuple[str, float]], decay: float, path: object) -> Action:
    """That schedules no longer raise the rate, in words.

    Args:
        changed: the settings, with what they were.
        decay: what they are now.
        path: the checkpoint.

    Raises:
        RestoreError: there is none.
    """
    said = [f"{name} {old:g} is {decay:g} now" for name, old in changed]
    if not said:
        raise RestoreError(
            f"{path}: no stored schedule multiplies the rate by more than 1 (no gamma, factor, "
            "cycle_decay or decay_rate above 1): change what raises it in the training script"
        )
    more = f" and {len(said) - 1} more" if len(said) > 1 else ""
    return Action(name="lr-decay", message=f"{said[0]}{more}", notice=_WINS, decay=decay)


_WINS = "the stored factor wins over that of the training script when the scheduler is loaded"
