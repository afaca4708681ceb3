"""Reports as JSON Lines: an object a line, each with its ``type``, in the words of the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
from ckptdoctor.render.machine.tally import Tally
from ckptdoctor.report import CheckpointReport, Report, findings_of

__all__ = ["inspect_jsonl", "report_lines", "scan_jsonl", "summary_line"]


def scan_jsonl(report: Report) -> str:
    """The lines of a report, then its summary."""
    return report_lines(report) + summary_line(Tally.of(report))


def report_lines(report: Report) -> str:
    """Run by run: a line a checkpoint, one of the run, one a finding about it.

    Then a line for each checkpoint that belongs to none.
    """
    return "".join(map(dump_line, _objects(report)))


def _objects(report: Report) -> Iterator[dict[str, Any]]:
    told = set()
    for run in report.runs:
        for row in run.checkpoints:
            told.add(row.path)
            yield {"type": "checkpoint"} | checkpoint_object(row)
        yield {"type": "run"} | run_object(run)
        for finding in findings_of([run], several=report.has_several):
            yield {"type": "finding"} | finding_object(finding)
    for row in report.checkpoints:
        if row.path not in told:
            yield {"type": "checkpoint"} | checkpoint_object(row)


def summary_line(tally: Tally) -> str:
    """What all of it adds up to."""
    return dump_line(
        {
            "type": "summary",
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            **sum_object(tally),
        }
    )


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
