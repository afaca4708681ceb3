"""Reports as JSON Lines: an object a line, each with its ``type``, in the words of the JSON."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.render.machine.as_json import (
    SCHEMA_VERSION,
    TOOL,
    checkpoint_object,
    contents_object,
    dump_line,
    finding_object,
    run_object,
    sum_object,
    tensor_object,
)
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["inspect_jsonl", "scan_jsonl"]


def scan_jsonl(report: Report) -> str:
    """A line a checkpoint, then one a run and one a finding about it, then the summary."""
    lines = [
        *({"type": "checkpoint"} | checkpoint_object(row) for row in report.checkpoints),
        *({"type": "run"} | run_object(run) for run in report.runs),
        *({"type": "finding"} | finding_object(finding) for finding in report.findings),
        {
            "type": "summary",
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            **sum_object(report),
        },
    ]
    return "".join(map(dump_line, lines))


def inspect_jsonl(report: CheckpointReport, shown: Sequence[TensorRecord]) -> str:
    """The checkpoint with its scalars and globals, then a line for each of the tensors."""
    lines = [
        {
            "type": "checkpoint",
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            **checkpoint_object(report),
            **contents_object(report),
        },
        *(
            {"type": "tensor"} | tensor_object(tensor, report.stats.get(tensor.fqn))
            for tensor in shown
        ),
    ]
    return "".join(map(dump_line, lines))
