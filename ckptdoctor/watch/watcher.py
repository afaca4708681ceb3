"""The watch itself: a look at everything, every few seconds, and what is new since the last."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.cache.memory import Memory
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.histories import History
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import CheckpointReport, Crash, Report
from ckptdoctor.runs.beside import Home, logs_beside
from ckptdoctor.runs.discover import checkpoint_at, discover
from ckptdoctor.runs.wish import Wish
from ckptdoctor.sources.descriptors import is_far
from ckptdoctor.survey import chronicles, survey
from ckptdoctor.watch.afar import Afar
from ckptdoctor.watch.early import EarlyWarning, Series, series_of
from ckptdoctor.watch.epochs import EpochFeed, SeenEpoch
from ckptdoctor.watch.events import Event, EventKind
from ckptdoctor.watch.folder import FolderWatch, looks_unfinished
from ckptdoctor.watch.follow import LogFollower
from ckptdoctor.watch.pace import Pace
from ckptdoctor.watch.process import has_ended, look_at
from ckptdoctor.watch.telling import duration, of_checkpoint, of_epoch, of_finding, of_stall

__all__ = ["Watcher", "Watching"]

_LOOK_FOR_LOGS_S = 30.0
_RECENT_S = 60.0


def _none(_: Path) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How to watch.

    Attributes:
        folder: with the checkpoints.
        wish: what the user says of metric and logs; a log need not be there yet.
        interval_s: from one look to the next.
        stall_factor: silence is too long from so many usual gaps on.
        stall_least_s: and never before so many seconds.
        pid: of the training process; None where it was not named.
        jobs: threads of a scan.
        afar: lists what lies behind URLs; None where all of it lies here.
        memory: what is remembered of files, for those that are far; None to read each.
        is_own: whether a file is what the watch writes; it is no log of the run.
        clock: seconds since 1970.
        steady: seconds of a clock that never goes back.
    """

    folder: Path
    wish: Wish = field(default_factory=Wish)
    interval_s: float = 5.0
    stall_factor: float = 3.0
    stall_least_s: float = 60.0
    pid: int | None = None
    jobs: int | None = None
    afar: Afar | None = None
    memory: Memory | None = None
    is_own: Callable[[Path], bool] = _none
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """What is there when the watch begins."""

    report: Report
    findings: tuple[Finding, ...]
    histories: tuple[History, ...]


class Watcher:
    """Tells what happens in a run. Reads, and writes nothing.

    Attributes:
        found_anything: whether there was a checkpoint or a log at the beginning.
        has_begun: whether it is known what was there; behind a URL that may take some looks.
        not_judged: a sentence for each file that may have been being written then.
    """

    def __init__(self, how: Watching) -> None:
        self._how = how
        self._folder = FolderWatch(
            how.folder, max(1.0, 0.9 * how.interval_s), None if how.afar is None else self._version
        )
        self._feed = EpochFeed(how.wish)
        self._pace = Pace(how.stall_factor, how.stall_least_s)
        self._followers: dict[Path, LogFollower] = {}
        self._looked_for_logs_s, self._logs_of = 0.0, -1
        self._references: dict[Series, Path] = {}
        self._early = EarlyWarning()
        self._stalled = False
        self._was_there = True
        self._process_ended = False
        self._examination = Examination(jobs=how.jobs, memory=how.memory)
        self.has_begun = False
        self.found_anything = False
        self.not_judged: list[str] = []

    # -- the beginning ---------------------------------------------------------------------------

    def start(self) -> Iterator[Event]:
        """What is there: a sum, and what is wrong with it already.

        Where it lies elsewhere and cannot be asked for, only that is told, and a later look begins.
        """
        now = self._how.steady()
        if not (yield from self._asked_afar(now)):
            return
        self.has_begun = True
        self._folder.poll(now)  # before it is examined: what changes meanwhile is new
        self._was_there = self._folder.is_there
        self._find_logs(now)
        there = self._survey()
        self._remember()
        report = there.report
        finished = [row for row in report.checkpoints if not self._is_being_written(row)]
        self._folder.done(row.path for row in finished)
        self.not_judged = [_not_judged(row) for row in report.checkpoints if row not in finished]
        good = [run.last_good.path for run in report.runs if run.last_good is not None]
        self._references = {series_of(path): path for path in good}
        self._early.begin(run.run for run in report.runs)
        for path, follower in self._followers.items():
            for _ in self._feed.feed(follower.poll().rows, now, path):  # told by the report
                pass
        self._feed.begin(now)
        self._learn(there.histories)
        self.found_anything = bool(report.checkpoints) or self._feed.last_epoch is not None
        yield self._event(EventKind.START, self._sum(report), data=_sum_data(report))
        if not self._was_there:
            words = f"{self._how.folder} is not there yet; waiting for it"
            yield self._event(EventKind.NOTE, words, path=self._how.folder)
        yield from self._crashes(report.crashes)
        for finding in there.findings:
            if finding.severity >= Severity.WARNING:
                yield of_finding(finding, self._how.clock(), known=True)
        for row in finished:
            if row.verdict not in (Verdict.HEALTHY, Verdict.SUSPECT):
                yield of_checkpoint(row, self._how.clock(), known=True)

    def _survey(self) -> _Survey:
        """The report on the checkpoints and logs; on the logs alone while there is nothing else."""
        how = self._how
        logs = tuple(path for path in how.wish.logs if path.is_file())
        wish = replace(how.wish, logs=logs, may_come=True)
        found = discover([how.folder] if self._folder.is_there else [])
        if found.checkpoints:
            report = survey(found, self._examination, wish)
            return _Survey(report=report, findings=report.findings, histories=report.histories)
        logs = tuple(path for path in self._followers if path.is_file())
        told = chronicles([], replace(wish, logs=logs)) if logs else None
        if told is None:
            return _Survey(report=Report(), findings=(), histories=())
        report = Report(crashes=told.crashes)
        return _Survey(report=report, findings=told.findings, histories=told.histories)

    def _sum(self, report: Report) -> str:
        count = len(report.checkpoints)
        parts = [f"{count} checkpoint{'s' if count != 1 else ''}"]
        if report.last_good is not None:
            parts.append(f"last good {report.last_good.path.name}")
        if len(report.runs) > 1:
            parts.append(f"{len(report.runs)} runs")
        if self._followers:
            names = ", ".join(path.name for path in self._followers)
            where = self._feed.where
            parts.append(f"log {names}" + (f" at {where}" if where else ""))
        else:
            parts.append("no log yet")
        return f"watching {self._how.folder}: {', '.join(parts)}"

    def _is_being_written(self, row: CheckpointReport) -> bool:
        try:
            age = self._how.clock() - row.path.stat().st_mtime
        except OSError:
            return True
        return age < _RECENT_S and looks_unfinished(row)

    def _learn(self, histories: Iterable[History]) -> None:
        """The usual pace, as far as files and logs tell; and how long it has been silent."""
        written = self._folder.times()
        logs = [history.epoch_s for history in histories if history.epoch_s is not None]
        gaps = [later - before for before, later in itertools.pairwise(written)]
        self._pace.learn([*logs * 3, *gaps[-20:]] if logs else gaps[-20:])
        moments = [*written[-1:], *_modified(self._followers)]
        if moments:
            silent = max(0.0, self._how.clock() - max(moments))
            self._pace.beat(self._how.steady() - silent)

    # -- every few seconds -----------------------------------------------------------------------

    def poll(self) -> Iterator[Event]:
        """What is new since the last look."""
        now = self._how.steady()
        if not self.has_begun:
            yield from self.start()
            return
        is_known = yield from self._asked_afar(now)
        ready, alive = self._folder.poll(now)
        yield from self._presence()
        if now - self._looked_for_logs_s >= _LOOK_FOR_LOGS_S and self._may_have_logs():
            self._find_logs(now)
        for path, follower in self._followers.items():
            followed = follower.poll()
            if followed.note:
                yield self._event(EventKind.NOTE, followed.note, path=path)
            alive = alive or followed.grew
            for seen in self._feed.feed(followed.rows, now, path):
                yield from self._epoch(seen)
        for seen in self._feed.settle(now):
            yield from self._epoch(seen)
        for path in ready:
            yield from self._examine(path, now)
        if is_known:  # else nobody knows whether it is silent
            yield from self._silence(now, alive=alive)

    def _asked_afar(self, now_s: float) -> Generator[Event, None, bool]:
        """Have what is far be what it is now; whether all of it could be asked for."""
        afar = self._how.afar
        if afar is None:
            return True
        note = afar.look(now_s, [*self._how.wish.logs, *self._followers])
        if note:
            yield self._event(EventKind.NOTE, note, path=self._how.folder)
        return afar.is_known

    def finish(self) -> Iterator[Event]:
        """Whether it has been silent for too long; for a single look."""
        yield from self._silence(self._how.steady(), alive=False)

    def close(self) -> None:
        """Let go of the logs."""
        for follower in self._followers.values():
            follower.close()

    def _epoch(self, seen: SeenEpoch) -> Iterator[Event]:
        return of_epoch(seen, self._how.clock(), self._how.folder, self._how.wish.logs)

    def _presence(self) -> Iterator[Event]:
        there = self._folder.is_there
        if there != self._was_there:
            what = "is back" if there else "is gone; waiting for it"
            yield self._event(EventKind.NOTE, f"{self._how.folder} {what}", path=self._how.folder)
        self._was_there = there

    def _version(self) -> int:
        """A number that stays while a far folder is as it was; -1 of one that lies here."""
        afar = self._how.afar
        return -1 if afar is None or not is_far(self._how.folder) else afar.changes

    def _may_have_logs(self) -> bool:
        return self._version() < 0 or self._version() != self._logs_of

    def _find_logs(self, now_s: float) -> None:
        """Follow the logs that the user named, or else those that lie beside the checkpoints."""
        self._looked_for_logs_s, self._logs_of = now_s, self._version()
        home = Home(folder=self._how.folder, name="", inside=(self._how.folder,))
        logs = self._how.wish.logs or logs_beside(home, [])
        for path in logs:
            if path not in self._followers and not self._how.is_own(path):
                self._followers[path] = LogFollower(path, self._how.wish.pattern)

    def _examine(self, path: Path, now_s: float) -> Iterator[Event]:
        """A checkpoint that has come to rest, with the last good one for a neighbour."""
        good = self._references.get(series_of(path))
        beside = good is not None and good != path and _is_there(good)
        pair = [good, path] if good is not None and beside else [path]
        report = examine([checkpoint_at(one) for one in pair], self._examination)
        self._remember()
        yield from self._crashes(report.crashes)
        row = next(row for row in report.checkpoints if row.path == path)
        if not _is_there(path) or self._folder.may_be_unfinished(row, now_s):
            return  # it was deleted, as scripts do that keep the last few, or it still grows
        self._folder.done([path])
        if row.verdict is Verdict.HEALTHY:
            self._references[series_of(path)] = path
        yield of_checkpoint(row, self._how.clock())
        for finding in self._early.look(path, (run.run for run in report.runs)):
            yield of_finding(finding, self._how.clock())

    def _remember(self) -> None:
        """Have what was read of far files not be read again for the next one beside them."""
        if self._how.memory is not None:
            self._how.memory.write()

    def _silence(self, now_s: float, *, alive: bool) -> Iterator[Event]:
        if alive:
            if self._stalled:
                long = duration(self._pace.since(now_s))
                yield self._event(EventKind.RESUMED, f"something is written again, after {long}")
            self._stalled = False
            self._pace.beat(now_s)
            return
        limit, usual, silent = self._pace.limit_s, self._pace.usual_s, self._pace.since(now_s)
        pid = self._how.pid
        if limit is not None and usual is not None and silent > limit and not self._stalled:
            self._stalled = True
            yield of_stall(
                silent,
                usual,
                self._how.clock(),
                nan=self._feed.holds_nan,
                epoch=self._feed.last_epoch,
                process=None if pid is None else look_at(pid),
            )
        if pid is not None and not self._process_ended and has_ended(pid):
            self._process_ended = True
            yield self._event(EventKind.NOTE, f"process {pid} has ended", data={"pid": pid})

    def _crashes(self, crashes: Iterable[Crash]) -> Iterator[Event]:
        for crash in crashes:
            words = f"{crash.path}: the rule {crash.rule} failed; please report this"
            yield self._event(EventKind.NOTE, words, data={"error": crash.error})

    def _event(self, kind: EventKind, message: str, **details: object) -> Event:
        event = Event(kind=kind, time_s=self._how.clock(), message=message)
        return replace(event, **details)  # type: ignore[arg-type]


def _not_judged(row: CheckpointReport) -> str:
    """That a file that is not whole may still be written."""
    return (
        f"{row.path.name} is not whole, and changed less than {_RECENT_S:.0f} s ago: it may be "
        "being written, and is not judged yet"
    )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _modified(paths: Iterable[Path]) -> Iterator[float]:
    for path in paths:
        try:
            yield path.stat().st_mtime
        except OSError:
            continue


def _sum_data(report: Report) -> dict[str, object]:
    good = report.last_good
    return {
        "checkpoints": len(report.checkpoints),
        "last_good": None if good is None else str(good.path),
        **{verdict.value: report.count(verdict) for verdict in Verdict},
    }
