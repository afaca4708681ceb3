"""Reports as JSON, schema 1. Keys may be added; those that are there never change."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Aside, Finding, SetAside, Verdict, Weighed
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Metric
from ckptdoctor.render.machine.tally import Ignored, Tally
from ckptdoctor.report import CheckpointReport, LastGood, PartReport, Report, RunReport
from ckptdoctor.version import __version__

__all__ = [
    "SCHEMA_VERSION",
    "TOOL",
    "aside_objects",
    "checkpoint_object",
    "contents_object",
    "dump",
    "dump_line",
    "finding_object",
    "ignored_sum",
    "inspect_json",
    "metric_object",
    "run_object",
    "scan_json",
    "settings_object",
    "sum_object",
    "tensor_object",
    "weighed_object",
]

SCHEMA_VERSION = 1
TOOL = {"name": "ckptdoctor", "version": __version__}


def scan_json(report: Report) -> str:
    """The result of ``scan``."""
    total = sum_object(Tally.of(report))
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            "checkpoints": [checkpoint_object(checkpoint) for checkpoint in report.checkpoints],
            "last_good": total["last_good"],
            "next": total["next"],
            "runs": [run_object(run) for run in report.runs],
            "notes": total["notes"],
            "findings": [finding_object(finding) for finding in report.findings],
            "ignored": total["ignored"],
            "settings": total["settings"],
            "summary": total["summary"],
            "errors": total["errors"],
        }
    )


def inspect_json(report: CheckpointReport, shown: list[TensorRecord]) -> str:
    """The result of ``inspect``.

    Args:
        report: with its details kept.
        shown: the tensors that were asked for.
    """
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            "checkpoint": checkpoint_object(report),
            "tensors": [tensor_object(tensor, report.stats.get(tensor.fqn)) for tensor in shown],
            **contents_object(report),
        }
    )


_QUOTED = json.encoder.encode_basestring_ascii
_MORE = (str, list, dict)
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def dump(value: object) -> str:
    """JSON text that any parser takes: ASCII, no NaN token, ended by a newline."""
    return _indented(value, "") + "\n"


def _indented(value: Any, pad: str) -> str:
    """What ``json.dumps(_plain(value), indent=2)`` says, in a fraction of the time.

    With an indent, Python's encoder is not the one that is written in C.
    """
    kind = type(value)
    if kind is str:
        return _QUOTED(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)
    if kind is dict and value and all(type(key) is str for key in value):
        inner = f"{pad}  "
        items = [f"{inner}{_QUOTED(key)}: {_indented(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{pad}}}"
    if kind is list and value:
        inner = f"{pad}  "
        items = [inner + _indented(item, inner) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{pad}]"
    plain = _plain(value)
    return _indented(plain, pad) if plain and type(plain) in _MORE else json.dumps(plain)


def dump_line(value: object) -> str:
    """The same on a single line."""
    return json.dumps(_plain(value), allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """The value with non-finite floats spelled out, and everything unknown as text."""
    if type(value) in _AS_THEY_ARE:  # nearly all: a test of types for each value adds up
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def sum_object(report: Tally) -> dict[str, Any]:
    """What it adds up to: the last good one, the next command, notes, verdicts, our own bugs."""
    return {
        "last_good": _last_good(report.last_good),
        "next": report.next or None,
        "notes": list(report.notes),
        "ignored": _ignored(report.ignored),
        "settings": _settings(report.settings, report.lowered),
        "summary": {
            "checkpoints": report.checkpoints,
            **{verdict.value: report.verdicts[verdict] for verdict in Verdict},
        },
        "errors": [
            {"rule": crash.rule, "path": str(crash.path), "error": crash.error}
            for crash in report.crashes
        ],
    }


def run_object(run: RunReport) -> dict[str, Any]:
    """One run: which files and logs it is made of, what it is judged by, what to go on with."""
    return {
        "path": str(run.path),
        "name": run.name,
        "last_good": _last_good(run.last_good),
        "next": run.next or None,
        "checkpoints": [str(row.path) for row in run.checkpoints],
        "logs": [str(path) for path in run.logs],
        "logs_aside": aside_objects(run),
        "metric": run.metric or None,
        "mode": None if run.mode is None else run.mode.value,
        "findings": [finding_object(finding) for finding in run.findings],
        "ignored": [_set_aside(one) for one in run.set_aside],
    }


def aside_objects(run: RunReport) -> list[dict[str, str]]:
    """The logs that were not believed, and why."""
    return [{"path": str(one.path), "reason": one.reason} for one in run.aside]


def _last_good(good: LastGood | None) -> dict[str, Any] | None:
    if good is None:
        return None
    return {"path": str(good.path), "epoch": good.epoch, "reason": good.reason}


def contents_object(report: CheckpointReport) -> dict[str, Any]:
    """What a checkpoint holds beside its tensors: scalars, and the globals it names."""
    checkpoint = report.checkpoint
    return {
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


def checkpoint_object(report: CheckpointReport) -> dict[str, Any]:
    """One checkpoint: its place in the run, its verdict, its findings."""
    data, totals = report.metadata, report.tensors
    return {
        "path": str(report.path),
        "format": report.format,
        "nbytes": report.nbytes,
        "verdict": None if report.told_verdict is None else report.told_verdict.value,
        "epoch": data.epoch,
        "epoch_source": None if data.epoch_source is None else data.epoch_source.value,
        "global_step": data.global_step,
        "metric": None if data.metric is None else metric_object(data.metric),
        "metrics": [metric_object(metric) for metric in data.metrics],
        "tensors": {
            "count": totals.count,
            "scanned": totals.scanned,
            "nbytes": totals.nbytes,
            "nan": None if report.headers_only else totals.nan,
            "inf": None if report.headers_only else totals.inf,
        },
        **({"parts": [_part(part) for part in report.parts]} if report.parts else {}),
        "run": report.run,
        "restored_from": None if report.restored is None else _restored(report.restored),
        "findings": [finding_object(finding) for finding in report.findings],
        "ignored": [_set_aside(one) for one in report.set_aside],
    }


def ignored_sum(found: Iterable[SetAside]) -> dict[str, Any]:
    """How many findings do not count, by code and by reason; which, their owners say."""
    return _ignored(Ignored(found))


def _ignored(found: Ignored) -> dict[str, Any]:
    return {
        "count": found.codes.total(),
        "codes": dict(sorted(found.codes.items())),
        "why": {why.value: found.why[why] for why in Aside},
    }


def _set_aside(one: SetAside) -> dict[str, Any]:
    return {**finding_object(one.finding), "why": one.why.value, "by": one.by}


def _part(part: PartReport) -> dict[str, Any]:
    return {
        "path": str(part.part.path),
        "name": part.part.name,
        "role": part.part.role.value,
        "format": part.format,
        "nbytes": part.nbytes,
        "verdict": part.verdict.value,
    }


def _restored(origin: RestoredFrom) -> dict[str, Any]:
    return {
        "source": str(origin.source),
        "scale": origin.scale,
        "set_lr": origin.set_lr,
        **({} if origin.decay is None else {"lr_decay": origin.decay}),
        "epoch": origin.epoch,
        **({"averaged": [str(path) for path in origin.averaged]} if origin.averaged else {}),
    }


def metric_object(metric: Metric) -> dict[str, Any]:
    """One value of a metric, and where it stands."""
    return {
        "name": metric.name,
        "value": metric.value,
        "mode": None if metric.mode is None else metric.mode.value,
        "kind": metric.kind.value,
        "source": metric.source.value,
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """One finding, with its figures."""
    return {
        "code": finding.code,
        "severity": finding.severity.label,
        "subject": finding.subject,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "remedy": finding.remedy,
        **({} if finding.weighed is None else {"weighed": weighed_object(finding.weighed)}),
    }


def weighed_object(weighed: Weighed) -> dict[str, str]:
    """What the severity was by the rule, and who wants another."""
    return {"was": weighed.was.label, "by": weighed.by}


def settings_object(file: str, counted: Iterable[Finding]) -> dict[str, Any]:
    """The file of settings, and which codes count less by the user's wish, with how many each."""
    return _settings(file, Counter(one.code for one in counted if one.is_lowered))


def _settings(file: str, lowered: Mapping[str, int]) -> dict[str, Any]:
    return {"file": file or None, "lowered": dict(sorted(lowered.items()))}


def tensor_object(tensor: TensorRecord, stats: TensorStats | None) -> dict[str, Any]:
    """One tensor; without figures where its bytes were not read."""
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
