"""The ranking for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ckptdoctor.render.machine.as_json import (
    SCHEMA_VERSION,
    dump,
    ignored_sum,
    metric_object,
    settings_object,
)
from ckptdoctor.render.text import csv_cell
from ckptdoctor.report import Place, Report

__all__ = ["rank_csv", "rank_json"]

_COLUMNS = ("rank", "path", "verdict", "epoch", "metric", "value", "usable", "reason", "run")


def rank_json(report: Report) -> str:
    """The result of ``rank`` as JSON: run by run, each from its best, then what lies beside."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "ranking": [_place(place) for place in report.ranking],
            "notes": list(report.notes),
            "next": report.next or None,
            "ignored": ignored_sum(report.set_aside),
            "settings": settings_object(report.settings, report.all_findings()),
        }
    )


def _place(place: Place) -> dict[str, Any]:
    row, data = place.report, place.report.metadata
    return {
        "rank": place.rank,
        "path": str(row.path),
        "verdict": row.verdict.value,
        "epoch": data.epoch,
        "metric": None if data.metric is None else metric_object(data.metric),
        "usable": place.usable,
        "reason": place.reason,
        "run": row.run,
    }


def rank_csv(report: Report) -> str:
    """The result of ``rank`` as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for place in report.ranking:
        data = place.report.metadata
        metric = data.metric
        writer.writerow(
            [
                place.rank,
                csv_cell(str(place.report.path)),
                place.report.verdict.value,
                "" if data.epoch is None else data.epoch,
                "" if metric is None else csv_cell(metric.name),
                "" if metric is None else repr(metric.value),
                "yes" if place.usable else "no",
                csv_cell(place.reason),
                csv_cell(place.report.run or ""),
            ]
        )
    return out.getvalue()
