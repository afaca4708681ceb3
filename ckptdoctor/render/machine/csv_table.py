"""Reports as CSV (RFC 4180), for spreadsheets and data frames: a header, then a row a checkpoint.

What comes from a file never starts a formula. Findings about the run have no row here: they are in
the JSON.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Severity
from ckptdoctor.render.text import csv_cell
from ckptdoctor.render.wording import good_paths, place_of
from ckptdoctor.report import CheckpointReport, Place, Report

__all__ = ["CHECKPOINT_COLUMNS", "TENSOR_COLUMNS", "inspect_csv", "scan_csv"]

Cell = str | int | float | None

CHECKPOINT_COLUMNS = (
    *("path", "format", "nbytes", "verdict", "epoch", "global_step"),
    *("metric", "value", "mode", "kind"),
    *("tensors", "scanned", "nan", "inf", "errors", "warnings", "codes"),
    *("rank", "last_good", "reason", "run", "ignored", "lowered"),
)
TENSOR_COLUMNS = (
    *("fqn", "role", "dtype", "shape", "numel", "nbytes", "lost"),
    *("min", "max", "nan", "posinf", "neginf", "first_bad_index"),
)


def scan_csv(report: Report) -> str:
    """A row a checkpoint, run by run in the order of each, then those that lie beside."""
    places, good = place_of(report), good_paths(report)
    return _written(
        CHECKPOINT_COLUMNS,
        (
            (
                *_facts(row),
                *_standing(row, good, places.get(row.path)),
                *(csv_cell(row.run or ""), len(row.set_aside)),
                sum(one.is_lowered for one in row.findings),
            )
            for row in report.checkpoints
        ),
    )


def inspect_csv(report: CheckpointReport, shown: Sequence[TensorRecord]) -> str:
    """A row for each of the tensors; shapes and indices as JSON lists."""
    return _written(
        TENSOR_COLUMNS, (_tensor(tensor, report.stats.get(tensor.fqn)) for tensor in shown)
    )


def _facts(row: CheckpointReport) -> list[Cell]:
    data, totals = row.metadata, row.tensors
    metric: list[Cell] = [None, None, None, None]
    if data.metric is not None:
        mode = None if data.metric.mode is None else data.metric.mode.value
        metric = [csv_cell(data.metric.name), data.metric.value, mode, data.metric.kind.value]
    return [
        *(csv_cell(row.path), row.format, row.nbytes, row.verdict.value),
        *(data.epoch, data.global_step),
        *metric,
        *(totals.count, totals.scanned, totals.nan, totals.inf),
    ]


def _standing(row: CheckpointReport, good: frozenset[Path], place: Place | None) -> list[Cell]:
    severities = [finding.severity for finding in row.findings]
    codes = sorted({finding.code for finding in row.findings})
    return [
        *(severities.count(Severity.ERROR), severities.count(Severity.WARNING), " ".join(codes)),
        None if place is None else place.rank,
        "yes" if row.path in good else "no",
        "" if place is None else csv_cell(place.reason),
    ]


def _tensor(tensor: TensorRecord, stats: TensorStats | None) -> list[Cell]:
    figures: list[Cell] = [None] * 6
    if stats is not None:
        index = stats.first_bad_index
        figures = [
            *(stats.min, stats.max, stats.nan, stats.posinf, stats.neginf),
            None if index is None else str(list(index)),
        ]
    return [
        *(csv_cell(tensor.fqn), tensor.role.value, tensor.dtype, str(list(tensor.shape))),
        *(tensor.numel, tensor.nbytes, "yes" if tensor.lost else "no"),
        *figures,
    ]


def _written(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)  # RFC 4180 as it comes: CRLF, quotes doubled
    writer.writerow(columns)
    writer.writerows([_spelled(cell) for cell in row] for row in rows)
    return text.getvalue()


def _spelled(cell: Cell) -> Cell:
    """Figures that are not finite as the JSON spells them; None as nothing."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"
    return cell
