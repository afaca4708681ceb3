"""The result of ``diff`` for programs: JSON, JSON lines, CSV and markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from ckptdoctor.checkpoint import Role
from ckptdoctor.difference import Difference, Movement, TensorDifference
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump
from ckptdoctor.render.text import csv_cell, markdown_cell, number, plural

__all__ = ["diff_csv", "diff_json", "diff_jsonl", "diff_markdown"]

_MOST_ROWS = 50


def diff_json(found: Difference) -> str:
    """Everything, as one object."""
    roles = [role for role in Role if any(tensor.role is role for tensor in found.tensors)]
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "a": str(found.a),
            "b": str(found.b),
            "identical": found.identical,
            "nothing_in_common": found.nothing_in_common,
            "total": _movement(found.total()),
            "roles": {role.value: _movement(found.total(role)) for role in roles},
            "layers": [
                {"name": name, "role": role.value, **_movement(movement)}
                for role in roles
                for name, movement in found.layers(role).items()
            ],
            "tensors": [_tensor(tensor) for tensor in found.tensors],
            "added": list(found.added),
            "removed": list(found.removed),
            "lost": list(found.lost),
            "reshaped": [
                {"fqn": row.fqn, "before": list(row.before), "after": list(row.after)}
                for row in found.reshaped
            ],
            "dtype_changes": [
                {"fqn": tensor.fqn, "before": tensor.dtype, "after": tensor.other_dtype}
                for tensor in found.tensors
                if tensor.dtype != tensor.other_dtype
            ],
            "metadata": [
                {"key": change.key, "before": change.before, "after": change.after}
                for change in found.changes
            ],
            "notes": list(found.notes),
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity.label,
                    "subject": finding.subject,
                    "message": finding.message,
                    "evidence": dict(finding.evidence),
                    "remedy": finding.remedy,
                }
                for finding in found.findings
            ],
        }
    )


def _movement(moved: Movement) -> dict[str, Any]:
    return {
        "numel": moved.numel,
        "changed": moved.changed,
        "relative": moved.relative,
        "largest": moved.largest,
        "new_nan": moved.new_nan,
        "new_inf": moved.new_inf,
        "mended": moved.mended,
    }


def _tensor(tensor: TensorDifference) -> dict[str, Any]:
    return {
        "fqn": tensor.fqn,
        "other": tensor.other,
        "role": tensor.role.value,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "other_dtype": tensor.other_dtype,
        **_movement(tensor.movement),
    }


def diff_jsonl(found: Difference) -> str:
    """An object a line: each tensor, then everything else."""
    whole = json.loads(diff_json(found))
    tensors = whole.pop("tensors")
    rows = [*({"type": "tensor", **row} for row in tensors), {"type": "summary", **whole}]
    return "".join(json.dumps(row) + "\n" for row in rows)


_COLUMNS = "fqn other role dtype other_dtype numel changed relative largest new_nan new_inf".split()


def diff_csv(found: Difference) -> str:
    """A row for each tensor that both have."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for tensor in found.tensors:
        moved = tensor.movement
        names = [csv_cell(tensor.fqn), csv_cell(tensor.other), tensor.role.value]
        figures = [moved.numel, moved.changed, repr(moved.relative), repr(moved.largest)]
        types = [tensor.dtype, tensor.other_dtype]
        writer.writerow([*names, *types, *figures, moved.new_nan, moved.new_inf])
    return out.getvalue()


def diff_markdown(found: Difference) -> str:
    """Total, layers, and what else changed."""
    a, b = markdown_cell(str(found.a)), markdown_cell(str(found.b))
    lines = [f"### {a} → {b}", ""]
    if found.nothing_in_common:
        lines.append("The two have no tensor in common.")
    elif found.identical:
        lines.append("The two are identical.")
    else:
        lines.append(_sentence(found))
    for finding in found.findings[:_MOST_ROWS]:
        subject = markdown_cell(finding.subject)
        lines.append(f"- **{finding.code}** {subject}: {markdown_cell(finding.message)}")
    lines += ["", "| layer | moved | largest | changed |", "|---|---:|---:|---:|"]
    for name, moved in found.by_distance()[:_MOST_ROWS]:
        lines.append(
            f"| {markdown_cell(name)} | {number(moved.relative)} | {_largest(moved)} "
            f"| {moved.changed} of {moved.numel} |"
        )
    if found.changes:
        lines += ["", "| value | before | after |", "|---|---|---|"]
    for change in found.changes[:_MOST_ROWS]:
        before, after = (markdown_cell(str(value)) for value in (change.before, change.after))
        lines.append(f"| {markdown_cell(change.key)} | {before} | {after} |")
    for title, names in (("Added", found.added), ("Removed", found.removed), ("Lost", found.lost)):
        if names:
            shown = ", ".join(markdown_cell(name) for name in names[:_MOST_ROWS])
            lines += ["", f"{title} ({len(names)}): {shown}"]
    return "\n".join(lines) + "\n"


def _sentence(found: Difference) -> str:
    total, spoiled = found.total(), found.spoiled()
    changed = f"{total.changed} of {total.numel} elements changed."
    what = f"The weights moved by {number(total.relative)} of their norm; {changed}"
    if not spoiled:
        return what
    broken = (
        f"The weights hold NaN or Inf in {plural(spoiled, 'tensor')} where they were finite: "
        f"{total.new_nan} elements became NaN and {total.new_inf} infinite"
    )
    if math.isnan(total.relative):
        return f"{broken}; {changed}"
    return (
        f"{broken}. Those finite in both moved by {number(total.relative)} of their norm; {changed}"
    )


def _largest(moved: Movement) -> str:
    return number(None if math.isnan(moved.relative) else moved.largest)
