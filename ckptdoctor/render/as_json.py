"""Reports as JSON, schema 1. Keys may be added; those that are there never change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ckptdoctor import __version__
from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Finding, Verdict
from ckptdoctor.metadata import Metric
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["SCHEMA_VERSION", "dump", "inspect_json", "scan_json"]

SCHEMA_VERSION = 1
_TOOL = {"name": "ckptdoctor", "version": __version__}


def scan_json(report: Report) -> str:
    """The result of ``scan``."""
    last_good = report.last_good
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": _TOOL,
            "checkpoints": [_checkpoint(checkpoint) for checkpoint in report.checkpoints],
            "last_good": None
            if last_good is None
            else {
                "path": str(last_good.path),
                "epoch": last_good.epoch,
                "reason": last_good.reason,
            },
            "findings": [_finding(finding) for finding in report.findings],
            "summary": {
                "checkpoints": len(report.checkpoints),
                **{verdict.value: report.count(verdict) for verdict in Verdict},
            },
            "errors": [
                {"rule": crash.rule, "path": str(crash.path), "error": crash.error}
                for crash in report.crashes
            ],
        }
    )


def inspect_json(report: CheckpointReport, shown: list[TensorRecord]) -> str:
    """The result of ``inspect``.

    Args:
        report: with its details kept.
        shown: the tensors that were asked for.
    """
    checkpoint = report.checkpoint
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": _TOOL,
            "checkpoint": _checkpoint(report),
            "tensors": [_tensor(tensor, report.stats.get(tensor.fqn)) for tensor in shown],
            "scalars": dict(checkpoint.scalars) if checkpoint is not None else {},
            "globals": [
                {
                    "name": use.name,
                    "count": use.count,
                    "allowed": use.allowed,
                    "runs_code": use.runs_code,
                }
                for use in (checkpoint.globals if checkpoint is not None else ())
            ],
        }
    )


def dump(value: object) -> str:
    """JSON text that any parser takes: ASCII, no NaN token, ended by a newline."""
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """The value with non-finite floats spelled out, and everything unknown as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _checkpoint(report: CheckpointReport) -> dict[str, Any]:
    data, totals = report.metadata, report.tensors
    return {
        "path": str(report.path),
        "format": report.format,
        "nbytes": report.nbytes,
        "verdict": report.verdict.value,
        "epoch": data.epoch,
        "epoch_source": None if data.epoch_source is None else data.epoch_source.value,
        "global_step": data.global_step,
        "metric": None if data.metric is None else _metric(data.metric),
        "metrics": [_metric(metric) for metric in data.metrics],
        "tensors": {
            "count": totals.count,
            "scanned": totals.scanned,
            "nbytes": totals.nbytes,
            "nan": totals.nan,
            "inf": totals.inf,
        },
        "findings": [_finding(finding) for finding in report.findings],
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "value": metric.value,
        "mode": None if metric.mode is None else metric.mode.value,
        "kind": metric.kind.value,
        "source": metric.source.value,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.label,
        "subject": finding.subject,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "remedy": finding.remedy,
    }


def _tensor(tensor: TensorRecord, stats: TensorStats | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "fqn": tensor.fqn,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "stride": list(tensor.stride),
        "storage_offset": tensor.storage_offset,
        "storage": None if tensor.storage is None else tensor.storage.key,
        "role": tensor.role.value,
        "numel": tensor.numel,
        "nbytes": tensor.nbytes,
        "lost": tensor.lost,
    }
    if stats is not None:
        described |= {
            "min": stats.min,
            "max": stats.max,
            "nan": stats.nan,
            "posinf": stats.posinf,
            "neginf": stats.neginf,
            "first_bad_index": None
            if stats.first_bad_index is None
            else list(stats.first_bad_index),
        }
    return described
