"""What was seen, as events: the words for people and the figures for machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import Alarm, AlarmKind, Clock
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import find_rule
from ckptdoctor.shell import command_line
from ckptdoctor.watch.epochs import SeenEpoch
from ckptdoctor.watch.events import Event, EventKind
from ckptdoctor.watch.process import ProcessState

__all__ = ["duration", "of_checkpoint", "of_epoch", "of_finding", "of_stall"]

_CODES = {
    AlarmKind.DECLINE: "CD401",
    AlarmKind.COLLAPSE: "CD402",
    AlarmKind.EXPLOSION: "CD403",
    AlarmKind.NON_FINITE: "CD404",
    AlarmKind.FROZEN: "CD409",
    AlarmKind.SHIFT: "CD412",
    AlarmKind.SCALE: "CD304",
    AlarmKind.RATE: "CD411",
}
_FIRST_AID = {
    AlarmKind.DECLINE: ("Stop, and plan with a smaller learning rate", "plan"),
    AlarmKind.COLLAPSE: ("Stop, and go back to the last good checkpoint", "plan"),
    AlarmKind.EXPLOSION: ("Stop, and go back to the last good checkpoint", "plan"),
    AlarmKind.NON_FINITE: ("Stop now, it does not recover by itself", "scan"),
    AlarmKind.SHIFT: ("Look at what changed then, and plan from before it", "plan"),
    AlarmKind.SCALE: ("Every step overflows; look at what does, and plan", "plan"),
    AlarmKind.RATE: ("If nobody meant it, stop, and plan from before it", "plan"),
    AlarmKind.FROZEN: ("Look whether anything is learned at all", ""),
}
_MOST_VALUES = 6


def of_finding(finding: Finding, time_s: float, *, known: bool = False) -> Event:
    """A finding on the run.

    Args:
        finding: what was found.
        time_s: now, in seconds since 1970.
        known: whether it was there when the watch began.
    """
    epoch = finding.evidence.get("epoch", finding.evidence.get("last_epoch"))
    return Event(
        kind=EventKind.FINDING,
        time_s=time_s,
        message=finding.message,
        severity=finding.severity,
        code=finding.code,
        epoch=epoch if isinstance(epoch, int) else None,
        data=finding.evidence,
        known=known,
    )


def of_checkpoint(row: CheckpointReport, time_s: float, *, known: bool = False) -> Event:
    """A checkpoint that was examined, with the worst that was found in it."""
    serious = [f for f in row.findings if f.severity >= Severity.WARNING]
    worst = max((f.severity for f in serious), default=None)
    first = next((f for f in serious if f.severity is worst), None)
    why = ""
    if first is not None:
        more = f" (and {len(serious) - 1} more)" if len(serious) > 1 else ""
        why = f": {first.code} {first.message}{more}"
    metric = row.metadata.metric
    score = "" if metric is None else f", {metric.name} {_figure(metric.value)}"
    return Event(
        kind=EventKind.CHECKPOINT,
        time_s=time_s,
        message=f"{row.path.name} is {row.verdict.value}{score}{why}",
        severity=worst,
        code="" if first is None else first.code,
        path=row.path,
        epoch=row.metadata.epoch,
        findings=row.findings,
        data={"verdict": row.verdict.value, "nbytes": row.nbytes},
        known=known,
    )


def _figure(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4g}"


def of_epoch(
    seen: SeenEpoch, time_s: float, folder: Path, logs: Sequence[Path] = ()
) -> Iterator[Event]:
    """An epoch, if it is complete, and what is wrong with it.

    Args:
        seen: the epoch.
        time_s: now, in seconds since 1970.
        folder: that is watched, for the command to go on with.
        logs: that the user named, likewise.
    """
    if seen.complete:
        shown = list(seen.values.items())[:_MOST_VALUES]
        yield Event(
            kind=EventKind.EPOCH,
            time_s=time_s,
            message=f"{seen.clock.say(seen.at)}: "
            + ", ".join(f"{n} {_figure(value)}" for n, value in shown),
            epoch=seen.at if seen.clock is Clock.EPOCH else None,
            data={"metric": seen.metric, "value": seen.value, "values": dict(seen.values)}
            | ({"step": seen.at} if seen.clock is Clock.STEP else {}),
        )
    for alarm in seen.alarms:
        yield _of_alarm(alarm, time_s, [folder, *(word for log in logs for word in ("--log", log))])


def _of_alarm(alarm: Alarm, time_s: float, where: Sequence[str | Path]) -> Event:
    """An alarm with the code of its rule, which has more to say on it."""
    rule = find_rule(_CODES[alarm.kind])
    words, command = _FIRST_AID[alarm.kind]
    return Event(
        kind=EventKind.FINDING,
        time_s=time_s,
        message=f"{alarm.message}. {words}",
        command=command_line("ckptdoctor", command, *where) if command else "",
        severity=rule.severity,
        code=rule.code,
        epoch=alarm.at if isinstance(alarm.at, int) else None,
        data={"name": alarm.name, "value": alarm.value, "before": alarm.before},
    )


def of_stall(
    silent_s: float,
    usual_s: float,
    time_s: float,
    *,
    nan: bool,
    epoch: int | None,
    process: ProcessState | None,
) -> Event:
    """Silence that lasts too long, with what it looks like.

    Args:
        silent_s: how long, in seconds.
        usual_s: how long is usual.
        time_s: now, in seconds since 1970.
        nan: whether the log holds NaN in its newest epoch.
        epoch: the newest one.
        process: what the training process does, where it is known.
    """
    words = f"nothing new for {duration(silent_s)}, where {duration(usual_s)} are usual" + (
        ", and the log holds NaN: it will not recover, interrupt it"
        if nan
        else "; look at the data loader, the disk, a rank that waits"
    )
    data: dict[str, object] = {
        "silent_s": round(silent_s, 1),
        "usual_s": round(usual_s, 1),
        "nan_in_log": nan,
    }
    if process is not None:
        words += f"; {process.message}"
        data |= {"pid": process.pid, "alive": process.alive, "cpu_percent": process.cpu_percent}
        data |= {"stack": process.stack}
    return Event(
        kind=EventKind.STALL,
        time_s=time_s,
        message=words,
        severity=Severity.ERROR if nan else Severity.WARNING,
        code="CD409",
        epoch=epoch,
        data=data,
    )


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
