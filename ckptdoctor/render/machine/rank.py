"""The ranking for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump
from ckptdoctor.render.text import csv_cell
from ckptdoctor.report import Place, Report

__all__ = ["rank_csv", "rank_json"]

_COLUMNS = ("rank", "path", "verdict", "epoch", "metric", "value", "usable", "reason")


def rank_json(report: Report) -> str:
    """The result of ``rank`` as JSON."""
    return dump(
        {"schema_version": SCHEMA_VERSION, "ranking": [_place(place) for place in report.ranking]}
    )


def _place(place: Place) -> dict[str, Any]:
    row, data = place.report, place.report.metadata
    metric = data.metric
    return {
        "rank": place.rank,
        "path": str(row.path),
        "verdict": row.verdict.value,
        "epoch": data.epoch,
        "metric": None
        if metric is None
        else {
            "name": metric.name,
            "value": metric.value,
            "mode": None if metric.mode is None else metric.mode.value,
            "kind": metric.kind.value,
            "source": metric.source.value,
        },
        "usable": place.usable,
        "reason": place.reason,
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
            ]
        )
    return out.getvalue()
