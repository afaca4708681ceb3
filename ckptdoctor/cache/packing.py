"""A result as bytes: its structure, which all files of a run share, and its figures in columns.

Text is JSON and figures are arrays: data, of which nothing is ever executed.
"""

from __future__ import annotations

import json
import math
import os
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ckptdoctor.cache.result import Result, scanned_as
from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef, TensorStats
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["NONE", "Packed", "Packer"]

NONE = -1
"""No value, in a column of sizes or checksums, none of which is negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A result as bytes.

    Attributes:
        structure: names, shapes and places, as JSON; equal in most files of a run.
        details: values, problems and whatever is not finite, as JSON.
        figures: the columns, one after another.
    """

    structure: bytes
    details: bytes
    figures: bytes


class Packer:
    """From results to bytes; a structure that is that of the file before is written out once."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, Any], bytes] = ({}, b"")

    def packed(self, result: Result) -> Packed:
        """A result as bytes.

        Raises:
            ValueError: it holds what is not remembered, such as the bytes of an array.
        """
        refs = _all_refs(result.checkpoint)
        folder = _folder_of(refs)
        measured = [result.stats.get(name) for name, _ in result.scanned]
        found = [one for one in measured if one is not None]
        if len(found) != len(result.stats):
            raise ValueError("statistics of a tensor that the file does not list")
        columns = (
            array("q", [ref.offset for ref in refs]),
            array("q", [ref.nbytes for ref in refs]),
            array("q", [_number(ref.crc32) for ref in refs]),
            array("q", [_number(ref.deflated_nbytes) for ref in refs]),
            array("d", [_plain(one.min) for one in found]),
            array("d", [_plain(one.max) for one in found]),
        )
        structure = _structure(result, refs, measured, len(folder))
        if structure != self._last[0]:
            self._last = structure, _text(structure)
        return Packed(
            structure=self._last[1],
            details=_text(_details(result, measured, folder)),
            figures=b"".join([*(_little(one) for one in columns), *(one.sample for one in found)]),
        )


def _folder_of(refs: Sequence[StorageRef]) -> str:
    """What all records lie in: the folder of a zip bears the name of its file."""
    keys = [ref.key for ref in refs] or [""]
    common = os.path.commonprefix([min(keys), max(keys)])  # noqa: RUF071  (names, not paths)
    return common[: common.rfind("/") + 1]


def _structure(
    result: Result,
    refs: Sequence[StorageRef],
    measured: Sequence[TensorStats | None],
    skipped: int,
) -> Mapping[str, Any]:
    checkpoint = result.checkpoint
    place = {id(ref): at for at, ref in enumerate(refs)}
    return {
        "tensors": [
            [
                tensor.fqn,
                tensor.dtype,
                tensor.shape,
                tensor.stride,
                tensor.storage_offset,
                NONE if tensor.storage is None else place[id(tensor.storage)],
                tensor.role.value,
                tensor.lost,
            ]
            for tensor in checkpoint.tensors
        ],
        "scanned": _as_part(result),
        "refs": [[ref.key[skipped:], ref.text_nbytes] for ref in refs],
        "records": [place[id(ref)] for ref in checkpoint.records],
        "samples": [None if one is None else len(one.sample) for one in measured],
        "scalars": list(checkpoint.scalars),
    }


def _details(
    result: Result, measured: Sequence[TensorStats | None], folder: str
) -> Mapping[str, Any]:
    checkpoint, zeros = result.checkpoint, result.zero_tail
    return {
        "format": checkpoint.format,
        "byteorder": checkpoint.byteorder,
        "nbytes": checkpoint.nbytes,
        "folder": folder,
        "scalars": list(checkpoint.scalars.values()),
        "globals": [
            [use.name, use.count, use.offset, use.runs_code, use.allowed, use.known]
            for use in checkpoint.globals
        ],
        "problems": _problems(checkpoint.problems),
        "scan_problems": _problems(result.problems),
        "unchecked": result.unchecked,
        "zero_tail": None if zeros is None else [zeros.start, zeros.filled],
        "odd": {at: _odd(one) for at, one in enumerate(measured) if one and _is_odd(one)},
    }


def _all_refs(checkpoint: Checkpoint) -> list[StorageRef]:
    """Each storage and each other record once, those of tensors first."""
    held = (tensor.storage for tensor in checkpoint.tensors if tensor.storage is not None)
    refs = list({id(ref): ref for ref in (*held, *checkpoint.records)}.values())
    if any(ref.inline is not None for ref in refs):
        raise ValueError("bytes of a tensor, not figures")
    return refs


def _as_part(result: Result) -> list[tuple[str, str]] | None:
    """Names and roles in the whole checkpoint, where they are not those of the file."""
    if result.scanned == scanned_as(result.checkpoint):
        return None
    return [(name, role.value) for name, role in result.scanned]


def _number(value: int | None) -> int:
    return NONE if value is None else value


def _plain(extreme: float | None) -> float:
    """An extreme in its column; NaN for one that stands among the odd."""
    return extreme if type(extreme) is float else math.nan


def _is_odd(stats: TensorStats) -> bool:
    plain = type(stats.min) is float and type(stats.max) is float
    return not plain or bool(stats.non_finite or stats.saturated or stats.first_bad_index)


def _odd(stats: TensorStats) -> list[Any]:
    """What is not the same in most tensors: counts, extremes that are no floats."""
    counts = [stats.nan, stats.posinf, stats.neginf, stats.saturated]
    return [*counts, stats.min, stats.max, stats.first_bad_index]


def _problems(problems: Iterable[Problem]) -> list[list[Any]]:
    told: list[list[Any]] = []
    for one in problems:
        evidence = dict(one.evidence)
        if json.loads(json.dumps(evidence)) != evidence:
            raise ValueError("evidence that JSON would change")
        severity = int(one.severity)
        told.append([one.code, severity, one.subject, one.message, evidence, one.remedy])
    return told


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _little(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
