"""Which renderer writes which format. Each is imported when it is asked for, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ckptdoctor.cli.options import FailOn, Format

if TYPE_CHECKING:
    from ckptdoctor.checkpoint import TensorRecord
    from ckptdoctor.render.console.screen import Screen
    from ckptdoctor.report import CheckpointReport, Report

__all__ = ["TENSOR_FORMATS", "inspect_document", "scan_document"]

TENSOR_FORMATS = (
    *(Format.TABLE, Format.JSON, Format.JSONL, Format.CSV, Format.MARKDOWN, Format.HTML),
)
"""Those in which ``inspect`` lists tensors; the others hold findings by file."""


def scan_document(
    report: Report, fmt: Format, screen: Callable[[], Screen], *, fail_on: FailOn, exit_code: int
) -> str:
    """The result of ``scan`` in any format; only the table needs a screen."""
    match fmt:
        case Format.TABLE:
            from ckptdoctor.render.console.scan import scan_text

            return scan_text(report, screen())
        case Format.JSON:
            from ckptdoctor.render.machine.as_json import scan_json

            return scan_json(report)
        case Format.JSONL:
            from ckptdoctor.render.machine.jsonl import scan_jsonl

            return scan_jsonl(report)
        case Format.CSV:
            from ckptdoctor.render.machine.csv_table import scan_csv

            return scan_csv(report)
        case Format.MARKDOWN:
            from ckptdoctor.render.machine.markdown import scan_markdown

            return scan_markdown(report)
        case Format.SARIF:
            from ckptdoctor.render.machine.sarif import scan_sarif

            return scan_sarif(report, exit_code=exit_code)
        case Format.JUNIT:
            from ckptdoctor.render.machine.junit import scan_junit

            return scan_junit(report, threshold=fail_on.severity)
        case Format.GITHUB:
            from ckptdoctor.render.machine.github import scan_github

            return scan_github(report)
        case Format.HTML:
            from ckptdoctor.render.html.report import scan_html

            return scan_html(report)


def inspect_document(
    report: CheckpointReport,
    shown: Sequence[TensorRecord],
    fmt: Format,
    screen: Callable[[], Screen],
    *,
    everything: bool,
) -> str:
    """The result of ``inspect`` in one of the :data:`TENSOR_FORMATS`."""
    match fmt:
        case Format.JSON:
            from ckptdoctor.render.machine.as_json import inspect_json

            return inspect_json(report, list(shown))
        case Format.JSONL:
            from ckptdoctor.render.machine.jsonl import inspect_jsonl

            return inspect_jsonl(report, shown)
        case Format.CSV:
            from ckptdoctor.render.machine.csv_table import inspect_csv

            return inspect_csv(report, shown)
        case Format.MARKDOWN:
            from ckptdoctor.render.machine.markdown import inspect_markdown

            return inspect_markdown(report, shown, everything=everything)
        case Format.HTML:
            from ckptdoctor.render.html.small import inspect_html

            return inspect_html(report, shown)
        case _:
            from ckptdoctor.render.console.inspect import inspect_text

            return inspect_text(report, list(shown), screen(), everything=everything)
