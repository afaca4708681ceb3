"""The metric over the epochs for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ckptdoctor.histories import Alarm, History, LogFacts, Point, Position, Shift, Span
from ckptdoctor.render.machine.as_json import (
    SCHEMA_VERSION,
    TOOL,
    aside_objects,
    dump,
    finding_object,
    ignored_sum,
    settings_object,
)
from ckptdoctor.render.text import csv_cell
from ckptdoctor.render.wording import NOTHING
from ckptdoctor.report import RunReport
from ckptdoctor.survey import Chronicles

__all__ = ["history_csv", "history_json"]

_COLUMNS = (
    "folder",
    "metric",
    "epoch",
    "value",
    "source",
    "kind",
    "superseded",
    "path",
    "step",
    "run",
)


def history_json(found: Chronicles) -> str:
    """The result of ``history`` as JSON: the run with the most epochs, and all of them as runs."""
    main = found.histories[0] if found.histories else History()
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            **_run(main),
            "findings": [finding_object(finding) for finding in found.findings],
            "notes": list(found.notes),
            "next": (found.runs[0].next or None) if len(found.runs) == 1 else None,
            "ignored": ignored_sum(found.set_aside),
            "settings": settings_object(found.settings, found.findings),
            "runs": [_of_run(run) for run in found.runs],
            "errors": [
                {"rule": crash.rule, "path": str(crash.path), "error": crash.error}
                for crash in found.crashes
            ],
        }
    )


def _of_run(run: RunReport) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "folder": str(run.history.folder),
        **_run(run.history),
        "logs_aside": aside_objects(run),
        "next": run.next or None,
        "findings": [finding_object(finding) for finding in run.findings],
    }


def _run(history: History) -> dict[str, Any]:
    span = history.decline
    return {
        "metric": history.metric or None,
        "clock": history.clock.value,
        "mode": None if history.mode is None else history.mode.value,
        "points": [_point(point) for point in history.points],
        "best": None if history.best is None else _point(history.best),
        "decline": None if span is None else _span(history, span),
        "collapse": None if history.collapse is None else _place(history, history.collapse),
        "shift": None if history.shift is None else _shift(history, history.shift),
        "superseded": [_point(point) for point in history.superseded],
        "restarts": history.restarts,
        "alarms": [_alarm(history, alarm) for alarm in history.alarms],
        "epoch_s": history.epoch_s,
        "logs": [str(path) for path in history.logs],
        "log_readings": [_log(log) for log in history.readings],
        "unread_lines": history.unread,
    }


def _log(log: LogFacts) -> dict[str, Any]:
    """How a log was read, and whether it was believed."""
    return {
        "path": str(log.path),
        "form": log.form or None,
        "encoding": log.encoding or None,
        "lines": log.lines or None,
        "rows": log.rows,
        "not_read": log.unread,
        "examples": list(log.examples),
        "values": list(log.names),
        "believed": bool(log.rows) and not log.reason,
        "reason": log.reason or (None if log.rows else NOTHING),
    }


def _place(history: History, at: Position) -> dict[str, Any]:
    return {"epoch": history.epoch_at(at), "step": history.step_at(at)}


def _span(history: History, span: Span) -> dict[str, Any]:
    """From and to by the clock of the run, and what else is known of them."""
    return {
        "from": span.first,
        "to": span.last,
        "from_step": history.step_at(span.first),
        "to_step": history.step_at(span.last),
    }


def _shift(history: History, shift: Shift) -> dict[str, Any]:
    return {**_place(history, shift.at), "before": shift.before, "after": shift.after}


def _point(point: Point) -> dict[str, Any]:
    return {
        "epoch": point.epoch,
        "step": point.step,
        "value": point.value,
        "source": point.source.value,
        "kind": point.kind.value,
        "path": None if point.path is None else str(point.path),
    }


def _alarm(history: History, alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": alarm.kind.value,
        "name": alarm.name,
        **_place(history, alarm.at),
        "since": alarm.since,
        "value": alarm.value,
        "before": alarm.before,
        "lasting": alarm.lasting,
        "message": alarm.message,
    }


def history_csv(found: Chronicles) -> str:
    """The result of ``history`` as CSV, a row an epoch."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for run in found.runs:
        history = run.history
        for point in (*history.points, *history.superseded):
            writer.writerow(
                [
                    csv_cell(str(history.folder)),
                    csv_cell(history.metric),
                    "" if point.epoch is None else point.epoch,
                    repr(point.value),
                    point.source.value,
                    point.kind.value,
                    "yes" if point in history.superseded else "no",
                    csv_cell(str(point.path or "")),
                    "" if point.step is None else point.step,
                    csv_cell(run.name),
                ]
            )
    return out.getvalue()
