"""Checkpoints and logs to runs: the only place that decides what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.histories import LogFacts
from ckptdoctor.layouts.files import Pointer
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metadata, Metric, Source, split_of
from ckptdoctor.places import place_of
from ckptdoctor.runs.agreement import agreement, contradict, shifted
from ckptdoctor.runs.beside import Home, logs_beside
from ckptdoctor.runs.chronicle import chronicle
from ckptdoctor.runs.clock import counted, course_of, trainings
from ckptdoctor.runs.kept import kept_by
from ckptdoctor.runs.log_shelf import LogShelf
from ckptdoctor.runs.logs import LogReading, logs_in, merged
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.membership import Group, Membership, grouped
from ckptdoctor.runs.metric import Choice, choose_metric
from ckptdoctor.runs.names import Homes, told_apart
from ckptdoctor.runs.run import Formed, LogAside, Run
from ckptdoctor.runs.trend.trend import Trend, trend_of
from ckptdoctor.runs.wish import Wish

__all__ = ["form_runs", "form_some"]

_FEWEST_OF_A_LOG = 2
"""Files that must agree with a log alone before they are a training of their own."""


def form_runs(
    members: Sequence[Member],
    wish: Wish | None = None,
    *,
    one_by_one: bool = False,
    empty: Sequence[Path] = (),
    pointers: Sequence[Pointer] = (),
) -> Formed:
    """The runs that the checkpoints belong to, each with its logs, its metric and its history.

    Args:
        members: all that are examined.
        wish: what the user says; by default nothing, and no log is looked for.
        one_by_one: whether the user named each file.
        empty: folders without a checkpoint, whose logs are runs too.
        pointers: files that name the checkpoint to go on from.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    wish = wish or Wish(finds_logs=False)
    membership = grouped(members, one_by_one=one_by_one)
    shelf = LogShelf(wish)
    runs = list(_formed(membership.groups, wish, shelf, None))
    runs += [
        _of_logs_alone([*logs, *wish.logs], wish, shelf) for logs in map(logs_in, empty) if logs
    ]
    if not members and not runs and wish.logs:
        runs.append(_of_logs_alone(wish.logs, wish, shelf))
    return Formed(
        runs=tuple(_with_pointers(runs, pointers)),
        strays=membership.strays,
        silent=tuple(shelf.silent()),
        unmatched=tuple(shelf.unmatched()),
    )


def form_some(
    membership: Membership,
    wish: Wish,
    shelf: LogShelf,
    *,
    pointers: Sequence[Pointer] = (),
    around: Homes | None = None,
) -> Formed:
    """The runs of some of the checkpoints that are examined; what the logs lack, the shelf says.

    Args:
        membership: which of them belong together.
        wish: what the user says.
        shelf: the logs of all.
        pointers: files that name a checkpoint to go on from.
        around: the folders of all runs, for their names; None where these are all.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    runs = list(_formed(membership.groups, wish, shelf, around))
    return Formed(runs=tuple(_with_pointers(runs, pointers)), strays=membership.strays)


def _formed(
    groups: Sequence[Group], wish: Wish, shelf: LogShelf, around: Homes | None
) -> Iterator[Run]:
    parts = list(_with_logs(groups, wish, shelf))
    names = told_apart([part for part, _ in parts], around)
    for (part, logs), name in zip(parts, names, strict=True):
        yield _form(part, name, _believed(part, logs, wish, shelf), wish)


def _with_pointers(runs: Sequence[Run], pointers: Sequence[Pointer]) -> Iterator[Run]:
    """The runs, each with the pointers that lie in its folder, or in that of a checkpoint of it.

    Where several lie there, the first has them.

    A pointer to a checkpoint belongs to the run of that checkpoint.
    """
    owned: dict[int, list[Pointer]] = {}
    for pointer in pointers:
        home = place_of(pointer.path.parent)
        near = [at for at, run in enumerate(runs) if home in _homes(run)]
        meant = [
            at
            for at, run in enumerate(runs)
            if pointer.leads_to is not None and run.metadata_of(pointer.leads_to) is not None
        ]
        for at in (*meant, *near)[:1]:
            owned.setdefault(at, []).append(pointer)
    for at, run in enumerate(runs):
        yield replace(run, pointers=tuple(owned[at])) if at in owned else run


def _homes(run: Run) -> set[Path]:
    inside = (place_of(member.path) for member in run.members if member.is_folder)
    return {place_of(run.folder), *inside}


def _of_logs_alone(logs: Sequence[Path], wish: Wish, shelf: LogShelf) -> Run:
    """A run of which there are logs and no checkpoints."""
    named = {place_of(path) for path in wish.logs}
    every = [(path, shelf.read(path, named=place_of(path) in named)) for path in logs]
    reading = merged([reading for _, reading in every])
    telling = tuple(path for path, one in every if one.says_something)
    told = _Told(reading=reading, logs=telling or tuple(logs), aside=(), readings=reading.logs)
    folder = logs[0].parent
    run = _run(folder, told, choose_metric([], reading, wish), [])
    return replace(run, name=folder.name or str(folder))


def _trainings(group: Group) -> Iterator[Group]:
    """The group; or its parts, where a second training was saved in the same folder."""
    members = counted(group.members)
    parts = trainings(members)
    for part in parts:
        if len(parts) == 1:
            yield replace(group, members=tuple(part))
            continue
        steps = [m.metadata.global_step for m in part if m.metadata.global_step is not None]
        span = f"{group.name} {min(steps)}-{max(steps)}"
        is_last = part is parts[-1]
        yield replace(
            group,
            name=span,
            members=tuple(part),
            sides=group.sides if is_last else (),
            copies=group.copies if is_last else (),
        )


def _with_logs(
    groups: Sequence[Group], wish: Wish, shelf: LogShelf
) -> Iterator[tuple[Group, list[Path]]]:
    """The parts that are runs, each with the logs that may be its own."""
    parts = [part for group in groups for part in _trainings(group)]
    homes = [_home(part) for part in parts]
    for at, part in enumerate(parts):
        others = [one for other, one in enumerate(homes) if other != at]
        logs = logs_beside(homes[at], others) if wish.finds_logs else []
        yield from _by_log(part, logs, shelf)


def _by_log(group: Group, logs: list[Path], shelf: LogShelf) -> Iterator[tuple[Group, list[Path]]]:
    """The group; or its parts, where two logs tell of two trainings and files agree with each."""
    readings = {path: shelf.read(path, named=False) for path in logs}
    rivals = [
        path
        for path, reading in readings.items()
        if any(
            _are_rivals((path, reading), other) for other in readings.items() if other[0] != path
        )
    ]
    owned: dict[Path, list[Member]] = {path: [] for path in rivals}
    for member in group.members:
        owners = [path for path in rivals if agreement(readings[path], [member])[0].is_whole]
        if len(owners) == 1:
            owned[owners[0]].append(member)
    owners = [path for path, own in owned.items() if len(own) >= _FEWEST_OF_A_LOG]
    if len(owners) < 2:
        yield group, logs
        return
    taken = {id(member) for path in owners for member in owned[path]}
    rest = [member for member in group.members if id(member) not in taken]
    for path in owners:
        is_last = path is owners[-1]
        part = replace(
            group,
            name=f"{group.name} {path.stem}",
            members=(*owned[path], *(rest if is_last else ())),
            sides=group.sides if is_last else (),
            copies=group.copies if is_last else (),
        )
        yield part, [log for log in logs if log == path or log not in rivals]


def _are_rivals(a: tuple[Path, LogReading], b: tuple[Path, LogReading]) -> bool:
    """Whether two logs tell of two trainings; ``train.log`` and ``val.log`` may tell of one."""
    of_two_sets = split_of(a[0].stem) is not split_of(b[0].stem)
    return contradict(a[1], b[1], of_two_sets=of_two_sets)


def _home(group: Group) -> Home:
    inside = tuple({m.path if m.is_folder else m.path.parent: None for m in group.members})
    return Home(folder=group.folder, name=group.name, inside=inside)


# -- logs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the logs of a run say, which they are, and which were not believed."""

    reading: LogReading
    logs: tuple[Path, ...]
    aside: tuple[LogAside, ...]
    readings: tuple[LogFacts, ...] = ()


def _believed(group: Group, beside: Sequence[Path], wish: Wish, shelf: LogShelf) -> _Told:
    """The logs that speak of these checkpoints; those that the user names are not doubted."""
    named = {place_of(path) for path in wish.logs}
    found: list[tuple[Path, LogReading]] = []
    aside: list[LogAside] = []
    facts: list[LogFacts] = []
    for path in beside:
        reading = shelf.read(path, named=False)
        facts += reading.logs if place_of(path) not in named else ()
        if place_of(path) in named or not (reading.rows or reading.commands):
            continue
        match, shift = agreement(reading, group.members)
        if match.contradicts:
            words = f"tells other values than the checkpoints hold ({match.other} of "
            words += f"{match.other + match.same})"
            aside.append(LogAside(path=path, reason=words))
        else:
            found.append((path, shifted(reading, shift)))
    found, more = _without_rivals(found, group)
    every = [*found, *((path, shelf.read(path, named=True)) for path in wish.logs)]
    told = [(path, reading) for path, reading in every if reading.says_something and reading.logs]
    if not any(reading.epochs or reading.by_step.values for _, reading in every):
        kept = kept_by(group.members)
        every = [*every, (kept.rows[0].source or group.folder, kept)] if kept.rows else every
    facts += [log for path in wish.logs for log in shelf.read(path, named=True).logs]
    reasons = {place_of(one.path): one.reason for one in (*aside, *more)}
    return _Told(
        reading=merged([reading for _, reading in every]) if every else LogReading(),
        logs=tuple(path for path, _ in told),
        aside=(*aside, *more),
        readings=tuple(replace(log, reason=reasons.get(place_of(log.path), "")) for log in facts),
    )


def _without_rivals(
    found: Sequence[tuple[Path, LogReading]], group: Group
) -> tuple[list[tuple[Path, LogReading]], list[LogAside]]:
    """Of logs that tell of two trainings, those that agree most with the files, else the last."""
    kept: list[tuple[Path, LogReading]] = []
    aside: list[LogAside] = []
    ordered = sorted(found, key=lambda one: agreement(one[1], group.members)[0].same)
    for path, reading in reversed(ordered):
        rival = next((one[0] for one in kept if _are_rivals(one, (path, reading))), None)
        if rival is None:
            kept.append((path, reading))
        else:
            words = (
                f"tells of another training than {rival.name}, with other values for the same "
                "epochs; --log says which is right"
            )
            aside.append(LogAside(path=path, reason=words))
    order = [path for path, _ in found]
    return sorted(kept, key=lambda one: order.index(one[0])), aside


# -- one run -------------------------------------------------------------------------------------


def _form(group: Group, name: str, told: _Told, wish: Wish) -> Run:
    placed = [_with_epoch(member, told.reading) for member in group.members]
    choice = choose_metric(placed, told.reading, wish)
    scored = [_scored(member, choice, told.reading) for member in placed]
    run = _run(group.folder, told, choice, scored)
    return replace(run, name=name, sides=group.sides, copies=group.copies)


def _run(folder: Path, told: _Told, choice: Choice, members: Sequence[Member]) -> Run:
    course = course_of(members)
    reading = told.reading
    history = chronicle(folder, course, choice, reading, told.logs)
    history = replace(history, readings=told.readings)
    before = Trend()
    if history.superseded and history.mode is not None:
        last = max(point.at for point in history.superseded)
        old = {p.at: p.value for p in (*history.points, *history.superseded) if p.at <= last}
        before = trend_of(old, history.mode, history.clock)
    return Run(
        folder=folder,
        members=course.members,
        placed=course.placed,
        choice=choice,
        history=history,
        before=before,
        aside=told.aside,
    )


def _with_epoch(member: Member, reading: LogReading) -> Member:
    """The member with the epoch that the log gives for its step, where it has none."""
    data = member.metadata
    if data.epoch is not None or data.global_step is None:
        return member
    epoch = reading.epoch_of_step(data.global_step)
    if epoch is None:
        return member
    return replace(member, metadata=replace(data, epoch=epoch, epoch_source=Source.LOG))


def _scored(member: Member, choice: Choice, reading: LogReading) -> Member:
    """The member with its own score: its own key, or the log's value, or the best it carries."""
    data = member.metadata
    metric = choice.of_file(member) or _of_log(data, choice, reading) or choice.carried(member)
    if metric is None:
        return member
    return replace(member, metadata=_holding(data, metric))


def _of_log(data: Metadata, choice: Choice, reading: LogReading) -> Metric | None:
    """The log's value for the epoch of a checkpoint, or for its step, which may count from 0."""
    metric = None
    if data.epoch is not None:
        metric = choice.of_log(reading.epochs.get(data.epoch, {}))
    if metric is None and data.global_step is not None:
        steps = reading.by_step.values
        near = (data.global_step, data.global_step + 1, data.global_step - 1)
        told = (choice.of_log(steps[step]) for step in near if step in steps)
        metric = next((found for found in told if found is not None), None)
    return metric


def _holding(data: Metadata, metric: Metric) -> Metadata:
    same = [m for m in data.metrics if (m.name, m.kind) == (metric.name, metric.kind)]
    metrics = data.metrics if same else (*data.metrics, metric)
    return replace(data, metric=metric, metrics=metrics)
