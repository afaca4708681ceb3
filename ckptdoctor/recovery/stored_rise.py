"""Warm-ups within stored schedules: whether one is still ahead, and how another is written.

A schedule of torch whose rise lies behind it is begun anew for the steps that are left: it rises
from a tenth of the rate at which it stands and falls to its end as it would have. timm's reckon
each rate from the epoch, and get a longer warm-up whose line leads to where the rate stands.

Sources: ``get_lr`` and ``step`` of ``OneCycleLR``, ``CyclicLR``, ``LinearLR`` and ``SequentialLR``
in ``torch.optim.lr_scheduler`` (2.13); ``timm/scheduler/scheduler.py`` (1.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import RestoreError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Action, Draft, number_of, text_keys
from ckptdoctor.recovery.tree import Place, entries, everywhere, find
from ckptdoctor.runs.optimizer_facts import plain_number

__all__ = ["Rise", "rise_of", "warm_up_anew"]

_TENTH = 0.1
_TWICE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """The warm-up of a stored schedule.

    Attributes:
        schedule: its class: ``OneCycleLR``.
        ahead: whether the rate still rises behind the checkpoint.
        writable: whether another can be written into its state.
    """

    schedule: str
    ahead: bool
    writable: bool


def rise_of(scalars: Mapping[str, Scalar], epoch: float | None) -> Rise | None:
    """The warm-up of the schedule that a checkpoint stores; None for one that has none.

    Args:
        scalars: of the checkpoint, by path.
        epoch: of the checkpoint; None where that is not known.
    """
    for name in scalars:
        for kind in _KINDS:
            root, found, _ = name.rpartition(kind.mark)
            if found and name == f"{root}{kind.mark}":
                read = _Numbers(scalars, root)
                return kind.rise(read, epoch)
    return None


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of one schedule's state."""

    scalars: Mapping[str, Scalar]
    root: str

    def __call__(self, key: str) -> float | None:
        return plain_number(self.scalars.get(f"{self.root}{key}"))

    def holds(self, key: str) -> bool:
        return f"{self.root}{key}" in self.scalars


def _one_cycle(read: _Numbers, _: float | None) -> Rise:
    ahead = _less(read("last_epoch"), read("_schedule_phases.0.end_step"))
    return Rise(schedule="OneCycleLR", ahead=ahead, writable=not read.holds(_THIRD_PHASE))


def _cyclic(read: _Numbers, _: float | None) -> Rise:
    at, size, share = read("last_epoch"), read("total_size"), read("step_ratio")
    known = at is not None and size is not None and share is not None and size > 0
    ahead = known and math.fmod(at or 0.0, size or 1.0) < (share or 0.0) * (size or 1.0)
    return Rise(schedule="CyclicLR", ahead=ahead, writable=True)


def _sequential(read: _Numbers, _: float | None) -> Rise:
    ahead = _less(read("last_epoch"), read("_milestones.0"))
    two = not read.holds("_milestones.1")
    ends = any(read.holds(f"_schedulers.1.{key}") for key in _LENGTHS)
    return Rise(schedule="SequentialLR", ahead=ahead, writable=two and ends)


def _timm(read: _Numbers, epoch: float | None) -> Rise:
    ahead = _less(epoch, read("warmup_t"))
    plain = not read.scalars.get(f"{read.root}warmup_prefix") and epoch is not None
    by_epoch = read.scalars.get(f"{read.root}t_in_epochs", True) is True
    one = not read.holds("base_values.1")
    return Rise(schedule="timm's schedule", ahead=ahead, writable=plain and by_epoch and one)


def _less(at: float | None, end: float | None) -> bool:
    return at is not None and end is not None and at < end


_THIRD_PHASE = "_schedule_phases.2.end_step"
_LENGTHS = ("T_max", "total_iters")


@dataclass(frozen=True, slots=True)
class _KindOfRise:
    """A kind of schedule that warms up: the key that shows it, and what its state tells."""

    mark: str
    rise: Callable[[_Numbers, float | None], Rise]


_KINDS = (
    _KindOfRise("_schedule_phases.0.end_step", _one_cycle),
    _KindOfRise("step_ratio", _cyclic),
    _KindOfRise("_schedulers.0.start_factor", _sequential),
    _KindOfRise("warmup_t", _timm),
)


# -- in a copy -----------------------------------------------------------------------------------


def warm_up_anew(draft: Draft, epochs: float) -> None:
    """Let the stored schedule rise over so many epochs, from a tenth of the rate where it stands.

    Args:
        draft: changed in place.
        epochs: of the warm-up.

    Raises:
        RestoreError: it stores no schedule whose state has a place for one.
    """
    scalars = draft.checkpoint.scalars
    epoch = _epoch_of(scalars)
    rise = rise_of(scalars, epoch)
    if rise is None or not rise.writable or rise.ahead:
        raise RestoreError(f"{draft.checkpoint.path}: {_why_not(rise)}")
    done = any(
        write(_State(draft, holder), epochs, epoch)
        for holder in everywhere(draft.saved.root)
        for mark, write in _WRITERS
        if mark <= text_keys(holder.node)
    )
    if not done:
        raise RestoreError(
            f"{draft.checkpoint.path}: {rise.schedule} has too few steps left for a warm-up of "
            f"{epochs:g} epochs"
        )
    draft.actions.append(
        Action(
            name="warm-up",
            message=f"{rise.schedule} rises anew over {epochs:g} epochs, from a tenth of the rate "
            "at which it stood",
            notice="the stored schedule wins over that of the training script when it is loaded",
        )
    )


def _why_not(rise: Rise | None) -> str:
    if rise is None:
        return (
            "no stored schedule has a place for a warm-up (OneCycleLR, CyclicLR, SequentialLR that "
            "begins with LinearLR, timm's): give the training script one"
        )
    if rise.ahead:
        return f"the stored {rise.schedule} still rises there: that is its warm-up"
    return f"the state of {rise.schedule} as it is stored has no place for another warm-up"


def _epoch_of(scalars: Mapping[str, Scalar]) -> float | None:
    for key in ("epoch", "current_epoch", "epochs_run"):
        value = plain_number(scalars.get(key))
        if value is not None:
            return float(value)
    return None


@dataclass(frozen=True, slots=True)
class _State:
    """The state of one schedule in a draft, with the groups whose rates it sets."""

    draft: Draft
    holder: Place

    def get(self, key: str) -> float:
        place = find(self.holder.node, key)
        return math.nan if place is None else number_of(place.node) or 0.0

    def put(self, key: str, value: float) -> None:
        """Set a number, as a whole one where it was one."""
        place = find(self.holder.node, key)
        if place is not None:
            whole = isinstance(place.node, int) and float(value).is_integer()
            place.put(int(value) if whole else float(value))
            self.draft.touched.add(self.holder.name_of(key))

    def put_each(self, key: str, values: Sequence[float]) -> None:
        """Set the numbers of a list."""
        for at, value in enumerate(values):
            self.put(f"{key}.{at}", value)

    def groups(self) -> Iterator[Place]:
        for optimizer in self.draft.optimizers():
            held = find(optimizer.node, "param_groups")
            if held is not None:
                yield from entries(held.node, (*optimizer.path, "param_groups"))

    def rates(self, key: str = "lr") -> list[float]:
        """Those of the groups, one each."""
        found = (find(group.node, key) for group in self.groups())
        return [number_of(one.node) or 0.0 for one in found if one is not None]

    def put_rates(self, key: str, values: Sequence[float]) -> None:
        """Set a rate of each group."""
        for group, value in zip(self.groups(), values, strict=True):
            place = find(group.node, key)
            if place is not None:
                place.put(float(value))
                self.draft.touched.add(group.name_of(key))


def _steps(state: _State, epochs: float, epoch: float | None) -> int:
    """How often the schedule is stepped in so many epochs."""
    count = state.get("last_epoch")
    each = count / epoch if epoch and count >= _TWICE * epoch else 1.0
    return max(1, round(epochs * each))


def _write_one_cycle(state: _State, epochs: float, epoch: float | None) -> bool:
    steps = _steps(state, epochs, epoch)
    left = int(state.get("total_steps") - state.get("last_epoch"))
    if left <= steps + 1:
        return False
    peaks = state.rates()
    firsts = [_TENTH * peak for peak in peaks]
    state.put("last_epoch", 0)
    state.put("total_steps", left)
    state.put("_schedule_phases.0.end_step", steps)
    state.put("_schedule_phases.1.end_step", left - 1)
    state.put_rates("max_lr", peaks)
    _begin(state, firsts, firsts)
    return True


def _begin(state: _State, bases: Sequence[float], now: Sequence[float]) -> None:
    """The rate that the schedule reckons from, and the one of the next step."""
    state.put_each("base_lrs", bases)
    state.put_each("_last_lr", now)
    state.put_rates("initial_lr", bases)
    state.put_rates("lr", now)


def _write_cyclic(state: _State, _epochs: float, _epoch: float | None) -> bool:
    """To where the next cycle begins: the rise is that of the cycle."""
    size = state.get("total_size")
    state.put("last_epoch", (math.floor(state.get("last_epoch") / size) + 1) * size)
    lowest = state.rates("initial_lr")
    state.put_each("_last_lr", lowest)
    state.put_rates("lr", lowest)
    return True


def _write_sequential(state: _State, epochs: float, epoch: float | None) -> bool:
    steps = _steps(state, epochs, epoch)
    length = next(key for key in _LENGTHS if not math.isnan(state.get(f"_schedulers.1.{key}")))
    left = state.get(f"_schedulers.1.{length}") - state.get("_schedulers.1.last_epoch") - steps
    if left < 1:
        return False
    peaks = state.rates()
    firsts = [_TENTH * peak for peak in peaks]
    state.put("last_epoch", 0)
    state.put("_milestones.0", steps)
    for key, value in (("last_epoch", 0), ("total_iters", steps), ("start_factor", _TENTH)):
        state.put(f"_schedulers.0.{key}", value)
    state.put(f"_schedulers.1.{length}", left)
    for part in ("_schedulers.0", "_schedulers.1"):
        state.put_each(f"{part}.base_lrs", peaks)
        state.put_each(f"{part}._last_lr", firsts)
    _begin(state, peaks, firsts)
    return True


def _write_timm(state: _State, epochs: float, epoch: float | None) -> bool:
    (peak,), now = state.rates()[:1], epoch or 0.0
    step = (1.0 - _TENTH) * peak / epochs
    state.put("warmup_t", now + epochs)
    state.put("warmup_lr_init", _TENTH * peak - now * step)
    state.put_each("warmup_steps", [step])
    state.put_rates("lr", [_TENTH * peak])
    return True


_WRITERS: tuple[tuple[set[str], Callable[[_State, float, float | None], bool]], ...] = (
    ({"_schedule_phases", "total_steps"}, _write_one_cycle),
    ({"step_ratio", "total_size", "max_lrs"}, _write_cyclic),
    ({"_schedulers", "_milestones"}, _write_sequential),
    ({"warmup_t", "warmup_lr_init", "base_values"}, _write_timm),
)
