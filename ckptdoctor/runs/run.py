"""A run: the checkpoints of one training in order, with what logs and scores say of them.

Formed once (:mod:`ckptdoctor.runs.form`), before the rules look; rules, ranking, plan, watch and
every output take it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.checkpoint import TensorStats
from ckptdoctor.histories import History, Position
from ckptdoctor.layouts.files import Pointer
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metadata, MetricKind
from ckptdoctor.runs.clock import standing
from ckptdoctor.runs.departure.course import Course
from ckptdoctor.runs.departure.departures import Departure, departures
from ckptdoctor.runs.departure.sampled import SampledCourse
from ckptdoctor.runs.families import name_of
from ckptdoctor.runs.foreign import StrangePart, strange_parts
from ckptdoctor.runs.jumps import Jump, jumps_of
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.optimizer_facts import Change, changes
from ckptdoctor.runs.trend.trend import Trend
from ckptdoctor.runs.trend.unlogged import FrozenBest, JumpedBuffer, frozen_best, jumped_buffers

__all__ = ["NO_RUN", "Formed", "LogAside", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAside:
    """A log that lies beside a run and was not believed.

    Attributes:
        path: the log.
        reason: why, in a sentence that goes on from its name.
    """

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """The checkpoints of one training.

    Attributes:
        name: what it is called; no other run of the same examination has it.
        folder: where its checkpoints lie.
        members: in order, with their scores; those whose place is not known come last.
        placed: how many of them have a place.
        sides: files that were saved with them and hold no model.
        copies: files that were restored from one of them: no candidates.
        choice: the metric that it is judged by.
        history: that metric over the run, and what was wrong in it.
        before: what the metric did in attempts that a restart has left behind.
        aside: logs that were not believed.
        pointers: files that name the checkpoint to go on from.
    """

    name: str = ""
    folder: Path = field(default_factory=Path)
    members: tuple[Member, ...] = field(default=(), repr=False)
    placed: int = 0
    sides: tuple[Member, ...] = field(default=(), repr=False)
    copies: tuple[Member, ...] = field(default=(), repr=False)
    choice: Choice = field(default_factory=Choice, repr=False)
    history: History = field(default_factory=History, repr=False)
    before: Trend = field(default_factory=Trend, repr=False)
    aside: tuple[LogAside, ...] = ()
    pointers: tuple[Pointer, ...] = ()

    @property
    def course(self) -> Sequence[Member]:
        """The checkpoints whose place in the run is known, in order.

        A ``pretrained.pth`` among epochs may be older or younger than any of them.
        """
        return self.members[: self.placed]

    @property
    def every(self) -> Sequence[Member]:
        """All files of the run: members, what was saved with them, and copies."""
        return (*self.members, *self.sides, *self.copies)

    def metadata_of(self, path: Path) -> Metadata | None:
        """What is known of a file's place, its score included; None for a file of another run."""
        member = self._by_path.get(path)
        return None if member is None else member.metadata

    def speaks_against(self, path: Path) -> str:
        """Why the score of a checkpoint cannot be relied on; "" where nothing speaks against it."""
        data = self.metadata_of(path)
        at = None if data is None else self.position(data)
        if at is None:
            return ""
        if at in {point.at for point in self.history.superseded}:
            return self.before.speaks_against(at)
        return Trend.of(self.history).speaks_against(at)

    def has_collapsed_at(self, path: Path) -> bool:
        """Whether a checkpoint was saved behind a collapse that the run did not come back from."""
        data = self.metadata_of(path)
        at = None if data is None else self.position(data)
        return at is not None and Trend.of(self.history).has_collapsed(at)

    def position(self, data: Metadata) -> Position | None:
        """Where a checkpoint stands on the clock of the run."""
        return standing(data, self.history.clock)

    # -- neighbours ------------------------------------------------------------------------------

    def earlier(self, path: Path) -> Iterator[Member]:
        """Those before a checkpoint, the nearest first; none where its place is not known."""
        return (self.members[at] for at in range(self._places.get(path, 0) - 1, -1, -1))

    def later(self, path: Path) -> Iterator[Member]:
        """Those behind a checkpoint, the nearest first; none where its place is not known."""
        count = self.placed
        return (self.members[at] for at in range(self._places.get(path, count) + 1, count))

    def same_weights(self, path: Path) -> Sequence[Member]:
        """Those with the very weights of a checkpoint, in order, itself included."""
        member = self._by_path.get(path)
        return self._twins.get(member.weights_id, ()) if member is not None else ()

    def holds_everywhere(self, stats: TensorStats) -> bool:
        """Whether a tensor is the same in every checkpoint of the run, and the run went on.

        Judged by its extremes and its NaN and Inf: that is how a buffer looks that nobody trains.
        """
        epochs = {member.metadata.epoch for member in self.members} - {None}
        steps = {member.metadata.global_step for member in self.members} - {None}
        if max(len(epochs), len(steps)) < 2:
            return False
        return all(member.stats.get(stats.fqn, stats) == stats for member in self.members)

    @functools.cached_property
    def jumps(self) -> Mapping[Path, Jump]:
        """By path, the checkpoints whose weights lie far from where they were before."""
        return self._movement[0]

    @property
    def figures(self) -> Course:
        """What a scan tells of each tensor over the run."""
        return self._movement[1]

    @functools.cached_property
    def departures(self) -> Sequence[Departure]:
        """The tensors that left their own past, as far as a scan tells, the first ones first."""
        return departures(self.figures)

    @functools.cached_property
    def _movement(self) -> tuple[Mapping[Path, Jump], Course]:
        """Both, since both take the samples of all tensors apart."""
        course = SampledCourse(self.saved, self.history.clock, self.position)
        return dict(jumps_of(self.course, course.see)), course.course()

    @functools.cached_property
    def strange_parts(self) -> Mapping[Path, Sequence[StrangePart]]:
        """By path, the parts that are another checkpoint's too."""
        return dict(strange_parts(self.members))

    @functools.cached_property
    def saved(self) -> Sequence[Member]:
        """The course without copies such as ``best.pth``, where there are files with numbers.

        Scripts keep the epoch of the best in it and overwrite the rest.
        """
        numbered = [member for member in self.course if name_of(member.path).numbers]
        return numbered if len(numbered) > 1 else self.course

    @functools.cached_property
    def optimizer_changes(self) -> Mapping[Path, tuple[Change, ...]]:
        """By path, what differs in a checkpoint's optimizer from the one before, as by a resume."""
        course = self.saved
        found: dict[Path, tuple[Change, ...]] = {}
        for change in changes([member.optimizer for member in course]):
            path = course[change.at].path
            found[path] = (*found.get(path, ()), change)
        return found

    @functools.cached_property
    def frozen_best(self) -> FrozenBest | None:
        """A best that the files carry along and that froze; None where scores are known."""
        points, mode = self.history.points, self.history.mode
        if mode is None or any(point.kind is MetricKind.SCORE for point in points):
            return None
        return frozen_best([(point.at, point.value) for point in points], mode)

    @functools.cached_property
    def jumped_buffers(self) -> Mapping[Path, JumpedBuffer]:
        """By path, the running variance that is suddenly of another size, until it is back."""
        sizes = [
            (
                at,
                {
                    fqn: most
                    for fqn in member.stats
                    if fqn.endswith("running_var") and (most := member.stats[fqn].max) is not None
                },
            )
            for at, member in enumerate(self.course)
        ]
        found: dict[Path, JumpedBuffer] = {}
        for jump in jumped_buffers(sizes):
            halfway = math.sqrt(jump.before) * math.sqrt(jump.after)
            for at, known in sizes[int(jump.at) :]:
                size = known.get(jump.name, jump.before)
                if (size > halfway) is not (jump.after > halfway):
                    break  # it is back
                found.setdefault(self.course[at].path, jump)
        return found

    @functools.cached_property
    def _places(self) -> Mapping[Path, int]:
        return {member.path: at for at, member in enumerate(self.course)}

    @functools.cached_property
    def _by_path(self) -> Mapping[Path, Member]:
        return {member.path: member for member in self.every}

    @functools.cached_property
    def _twins(self) -> Mapping[str, list[Member]]:
        twins: dict[str, list[Member]] = {}
        for member in self.members:
            if member.weights_id:
                twins.setdefault(member.weights_id, []).append(member)
        return twins


NO_RUN = Run()
"""That of a checkpoint which belongs to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formed:
    """What an examination found: the runs, and the files that belong to none.

    Attributes:
        runs: the one with the most checkpoints first where all lie in one folder, else by folder.
        strays: files that lie beside them.
        silent: logs that the user named and that gave nothing.
        unmatched: logs that were found, where the user's pattern fits no line of any of them.
    """

    runs: tuple[Run, ...] = ()
    strays: tuple[Member, ...] = field(default=(), repr=False)
    silent: tuple[Path, ...] = ()
    unmatched: tuple[Path, ...] = ()
