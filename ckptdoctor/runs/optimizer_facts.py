"""What the checkpoints of a run store of optimizer and schedule, and where a resume changed it.

A resume goes wrong in silence: the schedule starts again at its first rate, the optimizer is built
anew with other settings, groups are missing. The stored numbers tell. What rises by itself has to
be told from it: a warm-up, a cyclic schedule, one that its own counter shows to be under way.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.trend.rates import RISE, is_above_all, rises

__all__ = [
    "Change",
    "ChangeKind",
    "Group",
    "OptimizerFacts",
    "Schedule",
    "changes",
    "plain_number",
]

_GROUPS = "param_groups."
_LAST_EPOCH = re.compile(r"^(|.*\.)last_epoch$")
_SETTINGS = ("betas.0", "betas.1", "momentum", "alpha", "weight_decay", "nesterov", "amsgrad")
_MOMENTA = frozenset({"betas.0", "momentum"})
_FAMILIES = (
    ("betas.0", "one of Adam's kind"),
    ("dampening", "SGD"),
    ("alpha", "RMSprop"),
    ("rho", "Adadelta"),
    ("lr_decay", "Adagrad"),
)
_CYCLIC = frozenset({"T_0", "T_cur", "_schedule_phases.0.end_step", "step_ratio", "T_max"})
_FALLING = frozenset({"patience", "step_size", "milestones"})
_CONSTANT_FOR = 2  # checkpoints before a setting is known to stay what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of parameters.

    Attributes:
        rate, initial_rate: its learning rates; None where they are not stored.
        count: of its parameters.
        family: what kind of optimizer it is of, as its settings tell; "" where they do not.
        settings: momenta and the like by name.
    """

    rate: float | None
    initial_rate: float | None
    count: int
    family: str
    settings: tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule of the learning rate.

    Attributes:
        count: how often it was stepped, its ``last_epoch``.
        base_rates: the rates that it starts from.
        cyclic: whether its rate rises again by design.
        falling: whether it only ever falls.
    """

    count: int | float
    base_rates: tuple[float, ...]
    cyclic: bool
    falling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerFacts:
    """What a checkpoint stores of its optimizers and schedules.

    Attributes:
        optimizers: by the path in front of ``param_groups``.
        schedules: by the path in front of ``last_epoch``.
    """

    optimizers: tuple[tuple[str, tuple[Group, ...]], ...] = ()
    schedules: tuple[tuple[str, Schedule], ...] = ()

    @classmethod
    def of(cls, scalars: Mapping[str, Scalar]) -> OptimizerFacts:
        """The facts of a checkpoint, from its scalars by path."""
        groups: dict[tuple[str, int], dict[str, Scalar]] = {}
        roots: list[str] = []
        for path, value in scalars.items():
            if _GROUPS in path:
                root, _, place = path.partition(_GROUPS)
                number, _, key = place.partition(".")
                if key and number.isdecimal() and root[-1:] in ("", "."):
                    groups.setdefault((root, int(number)), {})[key] = value
            elif path.endswith("last_epoch") and (match := _LAST_EPOCH.match(path)):
                roots.append(match[1])
        optimizers: dict[str, list[Group]] = {}
        for (root, _), inside in sorted(groups.items()):
            optimizers.setdefault(root, []).append(_group(inside))
        outer = [root for root in roots if "_schedulers." not in root]
        return cls(
            optimizers=tuple((root, tuple(found)) for root, found in optimizers.items()),
            schedules=tuple(_schedules(scalars, outer)),
        )

    @property
    def rate(self) -> float | None:
        """The largest learning rate; None where none is stored."""
        groups = (group for _, found in self.optimizers for group in found)
        return max((group.rate for group in groups if group.rate is not None), default=None)


class ChangeKind(enum.Enum):
    """What a resume changed."""

    RATE = "learning rate"
    SCHEDULE = "schedule"
    GROUPS = "groups"
    GROUPS_ADDED = "groups added"
    FAMILY = "optimizer"
    SETTING = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs from the checkpoint before.

    Attributes:
        at: the place of the checkpoint in the run, from 0.
        kind: what it is.
        message: it and its figures in words.
        before, after: the figures.
    """

    at: int
    kind: ChangeKind
    message: str
    before: float | str
    after: float | str


def changes(run: Sequence[OptimizerFacts]) -> Iterator[Change]:
    """What changed from one checkpoint to the next, as no schedule does by itself.

    Args:
        run: in the order of the run; checkpoints without an optimizer may stand among them.
    """
    known = [(at, facts) for at, facts in enumerate(run) if facts.optimizers]
    restarted = set()
    for change in _restarted(run):
        restarted.add(change.at)
        yield change
    yield from _rates(known, restarted)
    for (_, before), (at, after) in itertools.pairwise(known):
        yield from _groups(at, before, after)
    yield from _settings(known)


# -- reading -------------------------------------------------------------------------------------


def _group(inside: Mapping[str, Scalar]) -> Group:
    family = next((name for key, name in _FAMILIES if key in inside), "")
    return Group(
        rate=plain_number(inside.get("lr")),
        initial_rate=plain_number(inside.get("initial_lr")),
        count=sum(key.startswith("params.") for key in inside),
        family=family,
        settings=tuple((name, inside[name]) for name in _SETTINGS if name in inside),
    )


def _schedules(
    scalars: Mapping[str, Scalar], roots: Sequence[str]
) -> Iterator[tuple[str, Schedule]]:
    for root in roots:
        count = plain_number(scalars[f"{root}last_epoch"])
        if count is None or not _is_schedule(scalars, root):
            continue
        base = [scalars.get(f"{root}base_lrs.{at}") for at in range(8)]
        yield (
            root,
            Schedule(
                count=count,
                base_rates=tuple(rate for one in base if (rate := plain_number(one)) is not None),
                cyclic=any(f"{root}{key}" in scalars for key in _CYCLIC),
                falling=any(_has(scalars, f"{root}{key}") for key in _FALLING),
            ),
        )


def _is_schedule(scalars: Mapping[str, Scalar], root: str) -> bool:
    """Whether ``last_epoch`` is that of torch's schedulers and not of the run itself."""
    beside = ("_last_lr.0", "base_lrs.0", "_step_count", "patience")
    return any(f"{root}{key}" in scalars for key in beside)


def _has(scalars: Mapping[str, Scalar], path: str) -> bool:
    return path in scalars or any(key.startswith(f"{path}.") for key in scalars)


def plain_number(value: Scalar) -> float | None:
    """A number; None for anything else, a bool included."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# -- comparing -----------------------------------------------------------------------------------


def _restarted(run: Sequence[OptimizerFacts]) -> Iterator[Change]:
    """Schedules whose own counter falls while the run goes on."""
    newest: dict[str, Schedule] = {}
    for at, facts in enumerate(run):
        for root, schedule in facts.schedules:
            before = newest.get(root)
            newest[root] = schedule
            if before is not None and schedule.count < before.count:
                yield Change(
                    at=at,
                    kind=ChangeKind.SCHEDULE,
                    message=f"the schedule started again: its counter went from "
                    f"{before.count:g} to {schedule.count:g}",
                    before=before.count,
                    after=schedule.count,
                )


def _rates(known: Sequence[tuple[int, OptimizerFacts]], restarted: set[int]) -> Iterator[Change]:
    """Learning rates that jump up, where the schedule does not explain it."""
    rated = [(at, facts, rate) for at, facts in known if (rate := facts.rate) is not None]
    explained = _explained([facts for _, facts, _ in rated])
    rates = [rate for _, _, rate in rated]
    above = {place for place in range(len(rates)) if is_above_all(rates[: place + 1])}
    for place in sorted({*rises(rates), *above}):
        (_, earlier, before), (at, later, after) = rated[place - 1], rated[place]
        told = place in above or at in restarted or _disturbed(earlier, later)
        if explained and not told:
            continue
        yield Change(
            at=at,
            kind=ChangeKind.RATE,
            message=f"the learning rate rose from {before:.4g} to {after:.4g}, "
            f"times {after / before:.3g}",
            before=before,
            after=after,
        )


def _explained(run: Sequence[OptimizerFacts]) -> bool:
    """Whether schedules are stored that may let the rate rise again."""
    schedules = [schedule for facts in run for _, schedule in facts.schedules]
    return bool(schedules) and not all(one.falling and not one.cyclic for one in schedules)


def _disturbed(before: OptimizerFacts, after: OptimizerFacts) -> bool:
    """Whether the schedule itself starts from other rates than before, or is gone."""
    old, new = dict(before.schedules), dict(after.schedules)
    return bool(old) and any(
        root not in new or _raised(schedule, new[root]) for root, schedule in old.items()
    )


def _raised(before: Schedule, after: Schedule) -> bool:
    old, new = max(before.base_rates, default=0.0), max(after.base_rates, default=0.0)
    return 0.0 < old * RISE < new


def _groups(at: int, before: OptimizerFacts, after: OptimizerFacts) -> Iterator[Change]:
    later = dict(after.optimizers)
    for root, old in before.optimizers:
        new = later.get(root)
        if new is None:
            continue
        sizes, now = [group.count for group in old], [group.count for group in new]
        if old[0].family and new[0].family and old[0].family != new[0].family:
            yield Change(
                at=at,
                kind=ChangeKind.FAMILY,
                message=f"the optimizer is {new[0].family}, where it was {old[0].family}",
                before=old[0].family,
                after=new[0].family,
            )
        elif sizes != now:
            added = now[: len(sizes)] == sizes
            yield Change(
                at=at,
                kind=ChangeKind.GROUPS_ADDED if added else ChangeKind.GROUPS,
                message=f"the groups of the optimizer hold {_listed(now)} parameters, "
                f"where they held {_listed(sizes)}",
                before=_listed(sizes),
                after=_listed(now),
            )


def _listed(sizes: Sequence[int]) -> str:
    more = f" and {len(sizes) - 4} groups more" if len(sizes) > 4 else ""
    return ", ".join(str(size) for size in sizes[:4]) + more


def _settings(known: Sequence[tuple[int, OptimizerFacts]]) -> Iterator[Change]:
    """Settings that stood still, changed once, and stand still again; schedules move them often."""
    series: dict[tuple[str, str, str], list[tuple[int, Scalar]]] = {}
    cyclic = any(one.cyclic for _, facts in known for _, one in facts.schedules)
    for at, facts in known:
        for root, groups in facts.optimizers:
            for name, value in groups[0].settings:
                series.setdefault((root, groups[0].family, name), []).append((at, value))
    for (_, _, name), values in series.items():
        moves = [
            (place, at)
            for place, ((_, old), (at, new)) in enumerate(itertools.pairwise(values), start=1)
            if old != new
        ]
        if len(moves) != 1 or moves[0][0] < _CONSTANT_FOR or (cyclic and name in _MOMENTA):
            continue
        place, at = moves[0]
        before, after = str(values[place - 1][1]), str(values[place][1])
        said = name.replace("betas.0", "beta 1").replace("betas.1", "beta 2").replace("_", " ")
        yield Change(
            at=at,
            kind=ChangeKind.SETTING,
            message=f"{said} is {after}, where it was {before}",
            before=before,
            after=after,
        )
