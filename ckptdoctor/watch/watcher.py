"""The watch itself: a look at everything, every few seconds, and what is new since the last."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.history import Alarm, AlarmKind
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import find_rule
from ckptdoctor.run.discover import discover
from ckptdoctor.run.join import Wish
from ckptdoctor.run.logs import find_logs
from ckptdoctor.survey import survey
from ckptdoctor.watch.epochs import EpochFeed, SeenEpoch
from ckptdoctor.watch.events import Event, EventKind
from ckptdoctor.watch.folder import FolderWatch, looks_unfinished
from ckptdoctor.watch.follow import LogFollower
from ckptdoctor.watch.pace import Pace
from ckptdoctor.watch.process import ProcessState, look_at

__all__ = ["Watcher", "Watching"]

_CODES = {
    AlarmKind.DECLINE: "CD401",
    AlarmKind.COLLAPSE: "CD402",
    AlarmKind.EXPLOSION: "CD403",
    AlarmKind.NON_FINITE: "CD404",
    AlarmKind.FROZEN: "CD409",
}
_LOOK_FOR_LOGS_S = 30.0
_RECENT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How to watch.

    Attributes:
        folder: with the checkpoints.
        wish: what the user says of metric and logs.
        interval_s: from one look to the next.
        stall_factor: silence is too long from so many usual gaps on.
        stall_least_s: and never before so many seconds.
        pid: of the training process; None where it was not named.
        jobs: threads of a scan.
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
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Watcher:
    """Tells what happens in a run. Reads, and writes nothing."""

    def __init__(self, how: Watching) -> None:
        self._how = how
        self._folder = FolderWatch(how.folder, settle_s=max(1.0, 0.9 * how.interval_s))
        self._feed = EpochFeed(how.wish)
        self._pace = Pace(how.stall_factor, how.stall_least_s)
        self._followers: dict[Path, LogFollower] = {}
        self._looked_for_logs_s: float | None = None
        self._reference: Path | None = None
        self._stalled = False
        self._was_there = True
        self._process_ended = False

    # -- the beginning ---------------------------------------------------------------------------

    def start(self) -> Iterator[Event]:
        """What is there: a sum, and what is wrong with it already."""
        now = self._how.steady()
        found = discover([self._how.folder] if self._how.folder.exists() else [])
        report = Report()
        if found.files:
            report = survey(found, Examination(jobs=self._how.jobs), self._how.wish)
        self._folder.poll(now)
        finished = [row for row in report.checkpoints if not self._is_being_written(row)]
        self._folder.done(row.path for row in finished)
        if report.last_good is not None:
            self._reference = report.last_good.path
        self._find_logs(now)
        for follower in self._followers.values():
            rows = follower.poll().rows
            for _ in self._feed.feed(rows, now):  # told by the report
                pass
        self._learn(report)
        yield self._event(EventKind.START, self._sum(report), data=_sum_data(report))
        for finding in report.findings:
            if finding.severity >= Severity.WARNING:
                yield self._of_finding(finding, known=True)
        for row in finished:
            if row.verdict not in (Verdict.HEALTHY, Verdict.SUSPECT):
                yield self._of_checkpoint(row, known=True)

    def _sum(self, report: Report) -> str:
        count = len(report.checkpoints)
        parts = [f"{count} checkpoint{'s' if count != 1 else ''}"]
        if report.last_good is not None:
            parts.append(f"last good {report.last_good.path.name}")
        if self._followers:
            names = ", ".join(path.name for path in self._followers)
            epoch = self._feed.last_epoch
            parts.append(f"log {names}" + ("" if epoch is None else f" at epoch {epoch}"))
        else:
            parts.append("no log yet")
        return f"watching {self._how.folder}: {', '.join(parts)}"

    def _is_being_written(self, row: CheckpointReport) -> bool:
        try:
            age = self._how.clock() - row.path.stat().st_mtime
        except OSError:
            return True
        return age < _RECENT_S and looks_unfinished(row)

    def _learn(self, report: Report) -> None:
        """The usual pace, as far as files and logs tell; and how long it has been silent."""
        written = self._folder.times()
        logs = [history.epoch_s for history in report.histories if history.epoch_s is not None]
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
        ready, written = self._folder.poll(now)
        yield from self._presence()
        alive = written
        if self._looked_for_logs_s is None or now - self._looked_for_logs_s >= _LOOK_FOR_LOGS_S:
            self._find_logs(now)
        for follower in list(self._followers.values()):
            followed = follower.poll()
            if followed.note:
                yield self._event(EventKind.NOTE, followed.note, path=follower.path)
            alive = alive or followed.grew
            for seen in self._feed.feed(followed.rows, now):
                yield from self._of_epoch(seen)
        for seen in self._feed.settle(now):
            yield from self._of_epoch(seen)
        for path in ready:
            yield from self._examine(path, now)
        yield from self._silence(now, alive=alive)

    def finish(self) -> Iterator[Event]:
        """What is known of the epoch that is still open; for a single look."""
        for seen in self._feed.settle(self._how.steady(), at_once=True):
            yield from self._of_epoch(replace(seen, complete=False))  # the sum told of it
        yield from self._silence(self._how.steady(), alive=False)

    def close(self) -> None:
        """Let go of the logs."""
        for follower in self._followers.values():
            follower.close()

    def _presence(self) -> Iterator[Event]:
        there = self._folder.is_there
        if there != self._was_there:
            what = "is back" if there else "is gone; waiting for it"
            yield self._event(EventKind.NOTE, f"{self._how.folder} {what}", path=self._how.folder)
        self._was_there = there

    def _find_logs(self, now_s: float) -> None:
        """Follow the logs that the user named and those that lie beside the checkpoints."""
        self._looked_for_logs_s = now_s
        named = self._how.wish.logs
        beside = () if named else find_logs([self._how.folder / "any"])
        new = [path for path in (*named, *beside) if path not in self._followers]
        for path in new:
            self._followers[path] = LogFollower(path, self._how.wish.pattern)

    def _examine(self, path: Path, now_s: float) -> Iterator[Event]:
        """A checkpoint that has come to rest, with the last good one for a neighbour."""
        reference = self._reference
        beside = [reference] if reference is not None and reference.exists() else []
        pair = [*(one for one in beside if one != path), path]
        report = examine(pair, Examination(jobs=self._how.jobs))
        row = next((row for row in report.checkpoints if row.path == path), None)
        if row is None or self._folder.may_be_unfinished(row, now_s):
            return
        self._folder.done([path])
        if row.verdict is Verdict.HEALTHY:
            self._reference = path
        yield self._of_checkpoint(row)

    def _silence(self, now_s: float, *, alive: bool) -> Iterator[Event]:
        if alive:
            if self._stalled:
                long = _duration(self._pace.since(now_s))
                yield self._event(EventKind.RESUMED, f"something is written again, after {long}")
            self._stalled = False
            self._pace.beat(now_s)
            return
        limit, usual, silent = self._pace.limit_s, self._pace.usual_s, self._pace.since(now_s)
        if limit is not None and usual is not None and silent > limit and not self._stalled:
            self._stalled = True
            yield self._stall(silent, usual)
        if self._how.pid is not None and not self._process_ended:
            yield from self._check_process(self._how.pid)

    def _stall(self, silent_s: float, usual_s: float) -> Event:
        nan = self._feed.holds_nan
        words = f"nothing new for {_duration(silent_s)}, where {_duration(usual_s)} are usual" + (
            ", and the log holds NaN: it will not recover, interrupt it"
            if nan
            else "; look at the data loader, the disk, a rank that waits"
        )
        state: ProcessState | None = None
        if self._how.pid is not None:
            state = look_at(self._how.pid)
            words += f"; {state.message}"
        data: dict[str, object] = {
            "silent_s": round(silent_s, 1),
            "usual_s": round(usual_s, 1),
            "nan_in_log": nan,
        }
        if state is not None:
            data |= {"pid": state.pid, "alive": state.alive, "cpu_percent": state.cpu_percent}
            data |= {"stack": state.stack}
        return self._event(
            EventKind.STALL,
            words,
            severity=Severity.ERROR if nan else Severity.WARNING,
            code="CD409",
            epoch=self._feed.last_epoch,
            data=data,
        )

    def _check_process(self, pid: int) -> Iterator[Event]:
        import psutil

        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return
        self._process_ended = True
        yield self._event(EventKind.NOTE, f"process {pid} has ended", data={"pid": pid})

    # -- what is told ----------------------------------------------------------------------------

    def _event(self, kind: EventKind, message: str, **details: object) -> Event:
        event = Event(kind=kind, time_s=self._how.clock(), message=message)
        return replace(event, **details)  # type: ignore[arg-type]

    def _of_finding(self, finding: Finding, *, known: bool = False) -> Event:
        epoch = finding.evidence.get("epoch", finding.evidence.get("last_epoch"))
        return self._event(
            EventKind.FINDING,
            finding.message,
            severity=finding.severity,
            code=finding.code,
            epoch=epoch if isinstance(epoch, int) else None,
            data=finding.evidence,
            known=known,
        )

    def _of_checkpoint(self, row: CheckpointReport, *, known: bool = False) -> Event:
        serious = [f for f in row.findings if f.severity >= Severity.WARNING]
        worst = max((f.severity for f in serious), default=None)
        first = next((f for f in serious if f.severity is worst), None)
        why = ""
        if first is not None:
            more = f" (and {len(serious) - 1} more)" if len(serious) > 1 else ""
            why = f": {first.code} {first.message}{more}"
        metric = row.metadata.metric
        score = "" if metric is None else f", {metric.name} {metric.value:.4g}"
        return self._event(
            EventKind.CHECKPOINT,
            f"{row.path.name} is {row.verdict.value}{score}{why}",
            severity=worst,
            code="" if first is None else first.code,
            path=row.path,
            epoch=row.metadata.epoch,
            findings=row.findings,
            data={"verdict": row.verdict.value, "nbytes": row.nbytes},
            known=known,
        )

    def _of_epoch(self, seen: SeenEpoch) -> Iterator[Event]:
        if seen.complete:
            values = ", ".join(
                f"{name} {value:.4g}" for name, value in list(seen.values.items())[:6]
            )
            yield self._event(
                EventKind.EPOCH,
                f"epoch {seen.epoch}: {values}",
                epoch=seen.epoch,
                data={"metric": seen.metric, "value": seen.value, "values": dict(seen.values)},
            )
        for alarm in seen.alarms:
            yield from self._of_alarm(alarm)

    def _of_alarm(self, alarm: Alarm) -> Iterator[Event]:
        """An alarm in the words of its rule, which has its remedy."""
        rule = find_rule(_CODES[alarm.kind])
        yield self._event(
            EventKind.FINDING,
            f"{alarm.message}. {_FIRST_AID[alarm.kind]}",
            severity=rule.severity,
            code=rule.code,
            epoch=alarm.epoch,
            data={"name": alarm.name, "value": alarm.value, "before": alarm.before},
        )


_FIRST_AID = {
    AlarmKind.DECLINE: "Stop, and plan with a smaller learning rate: ckptdoctor plan",
    AlarmKind.COLLAPSE: "Stop, and go back to the last good checkpoint: ckptdoctor plan",
    AlarmKind.EXPLOSION: "Stop, and go back to the last good checkpoint: ckptdoctor plan",
    AlarmKind.NON_FINITE: "Stop now, it does not recover by itself: ckptdoctor scan",
    AlarmKind.FROZEN: "Look whether anything is learned at all",
}


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


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
