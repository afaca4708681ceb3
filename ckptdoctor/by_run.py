"""Reports run by run, as soon as the last file of a run is read.

What may be of one run is told by names, before anything is read (:mod:`ckptdoctor.runs.division`);
once those files are in, they are judged, told, and forgotten. A file that is alone in its folder
waits for all others: whether it is a run that has just begun, or lies beside, depends on them. So
does a run that would be called otherwise if such a file were a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.diagnose import Examination, failed_plugins, files_of, judged, measured
from ckptdoctor.keeper import Keeper, Kept
from ckptdoctor.layouts.files import CheckpointFiles, Pointer
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifests import Manifests
from ckptdoctor.places import Places, place_of
from ckptdoctor.recovery import ranked
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.report import CheckpointReport, Crash, Report
from ckptdoctor.rules import Case
from ckptdoctor.runs.discover import Discovery
from ckptdoctor.runs.division import Division, divided
from ckptdoctor.runs.families import run_folder
from ckptdoctor.runs.form import form_some
from ckptdoctor.runs.log_shelf import LogShelf
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.membership import Group, Membership, grouped
from ckptdoctor.runs.metric import Choice, refuse_what_is_not_there
from ckptdoctor.runs.names import Homes
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.optimizer_facts import OptimizerFacts
from ckptdoctor.runs.run import Formed
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import survey

__all__ = ["survey_by_run"]

Take = Callable[[Report], object]


def survey_by_run(found: Discovery, how: Examination, wish: Wish | None, take: Take) -> Report:
    """What is said of no run: notes, and our own bugs. The rest was given away by then.

    Where names tell of one run at most, all is given at once.

    Args:
        found: at least one file.
        how: options.
        wish: what the user says of the metric and of the logs.
        take: given a ranked report on each run, and on files that lie beside, as they come.

    Raises:
        OSError: a log that the user named cannot be read.
        UsageError: no run has the metric that the user names; nothing was given away.
    """
    files = files_of([*found.checkpoints, *found.missing])
    division = divided([one.path for one in files], Manifests().restored_from, found.pointers)
    if len(division.likely) > 1:
        return _ByRun(files, division, found, how=how, wish=wish or Wish(), take=take).told()
    whole = survey(found, how, wish)
    take(replace(whole, notes=(), crashes=()))
    return Report(notes=whole.notes, crashes=whole.crashes)


@dataclass(slots=True)
class _Part:
    """Files that may be of one run.

    Attributes:
        left: how many of them are not read yet.
        keeper: puts them away; None once nothing waits.
        waiting: what was kept of those that are read, by their places in the order of all.
    """

    left: int
    keeper: Keeper | None = None
    waiting: dict[int, tuple[Member, Kept]] = field(default_factory=dict)


class _ByRun:
    """Judges a part once all of it is read."""

    def __init__(
        self,
        files: Sequence[CheckpointFiles],
        division: Division,
        found: Discovery,
        *,
        how: Examination,
        wish: Wish,
        take: Take,
    ) -> None:
        self._files = files
        self._division = division
        self._one_by_one = found.one_by_one
        self._how = how
        self._wish = wish
        self._asked = Asked(paths=tuple(found.paths), wish=wish)
        self._shelf = LogShelf(wish)
        self._layouts: dict[Layout, Layout] = {}
        self._at = {one.path: at for at, one in enumerate(files)}
        counts = Counter(division.part_of)
        self._parts = {number: _Part(counts[number]) for number in counts}
        self._alone: dict[int, tuple[Member, Kept]] = {}
        self._done: dict[int, Member] = {}
        self._folders: set[Path] = set()
        self._notes: dict[str, None] = {}
        self._crashes: list[Crash] = [*failed_plugins()]
        self._gate = _Gate(wish, take)

    def told(self) -> Report:
        """What is said of no run, once all is read."""
        measured(self._files, replace(self._how, promptly=True), self._note)
        if self._alone:
            self._tell_alone()
        self._gate.close()
        last = Formed(silent=tuple(self._shelf.silent()), unmatched=tuple(self._shelf.unmatched()))
        notes = dict.fromkeys((*notes_of(last), *self._notes))
        return Report(notes=tuple(notes), crashes=tuple(self._crashes))

    def _note(self, case: Case | CheckpointReport) -> None:
        """Take what was read of a file."""
        path = case.checkpoint.path if isinstance(case, Case) else case.path
        at = self._at[path]
        number = self._division.part_of[at]
        part = self._parts[number]
        if part.keeper is None:
            layouts = self._layouts if self._division.has_lone else None
            are_many = self._how.executor is not None  # workers go through several at a time
            part.keeper = Keeper(self._how, layouts, one_of_many=are_many)
        part.waiting[at] = part.keeper.kept(case)
        part.left -= 1
        if not part.left:
            self._tell(self._parts.pop(number), self._division.pointers.get(number, ()))

    def _tell(self, part: _Part, pointers: Sequence[Pointer]) -> None:
        """Give away what is certain of a part, and put by what is not."""
        waiting = dict(sorted(part.waiting.items()))
        by_path = {member.path: at for at, (member, _) in waiting.items()}
        whole = grouped([member for member, _ in waiting.values()])
        runs = tuple(group for group in whole.groups if group.is_several)
        if any(map(self._may_be_renamed, runs)):
            self._alone |= waiting
            return
        beside = _beside(runs, whole.strays)
        certain = [m.path for group in runs for m in _every(group)] + [m.path for m in beside]
        self._give(
            {by_path[path]: waiting.pop(by_path[path]) for path in certain},
            Membership(groups=runs, strays=beside),
            pointers,
            self._division.likely,
        )
        self._alone |= waiting
        self._folders |= {place_of(group.folder) for group in runs}

    def _may_be_renamed(self, group: Group) -> bool:
        """Whether the name of a run depends on whether single files elsewhere are runs."""
        home, likely, every = place_of(group.folder), self._division.likely, self._division.every
        return home not in likely or likely.name_of(home) != every.name_of(home)

    def _tell_alone(self) -> None:
        """Give away the files that waited for all others."""
        every = dict(sorted((self._done | {at: one[0] for at, one in self._alone.items()}).items()))
        whole = grouped(list(every.values()), one_by_one=self._one_by_one)
        paths = {member.path for member, _ in self._alone.values()}
        runs = tuple(group for group in whole.groups if all(m.path in paths for m in group.members))
        taken = {m.path for group in runs for m in _every(group)}
        strays = tuple(m for m in every.values() if m.path in paths - taken)
        pointers = [one for found in self._division.pointers.values() for one in found]
        self._give(
            dict(sorted(self._alone.items())),
            Membership(groups=runs, strays=strays),
            pointers,
            Homes(self._folders),
        )

    def _give(
        self,
        waiting: dict[int, tuple[Member, Kept]],
        membership: Membership,
        pointers: Sequence[Pointer],
        around: Homes,
    ) -> None:
        if not waiting:
            return
        formed = form_some(membership, self._wish, self._shelf, pointers=pointers, around=around)
        self._shelf.forget()
        report = judged(list(waiting.values()), formed, self._how, is_part=True)
        self._crashes += report.crashes
        self._notes |= dict.fromkeys(report.notes)
        self._gate.give(
            ranked(replace(report, crashes=(), notes=()), self._asked),
            [run.choice for run in formed.runs],
        )
        if self._division.has_lone:
            self._done |= {at: _bare(member) for at, (member, _) in waiting.items()}


class _Gate:
    """Holds reports back until it is sure that some run has the metric that the user names."""

    def __init__(self, wish: Wish, take: Take) -> None:
        self._wish = wish
        self._take = take
        self._is_open = not wish.metric
        self._held: list[Report] = []
        self._choices: list[Choice] = []

    def give(self, report: Report, choices: Sequence[Choice]) -> None:
        """Give a report away, or keep it for now."""
        self._is_open = self._is_open or any(one.name and one.mode is not None for one in choices)
        self._held.append(report)
        if self._is_open:
            self._let_go()
        else:
            self._choices += choices

    def close(self) -> None:
        """Give away what is left.

        Raises:
            UsageError: no run has the metric.
        """
        if not self._is_open:
            refuse_what_is_not_there(self._choices, self._wish)
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for report in held:
            self._take(report)


def _every(group: Group) -> Iterator[Member]:
    yield from (*group.members, *group.sides, *group.copies)


def _beside(runs: Sequence[Group], strays: Sequence[Member]) -> tuple[Member, ...]:
    """The files that lie beside a run of their own folder, whatever lies in others.

    Not those that were restored from another file: that may become a run.
    """
    places = Places()
    homes = {places.of(run.folder) for run in runs}
    return tuple(
        one for one in strays if one.restored is None and places.of(run_folder(one.path)) in homes
    )


def _bare(member: Member) -> Member:
    """What decides whether other files belong to it."""
    return replace(member, stats={}, optimizer=OptimizerFacts(), parts={})
