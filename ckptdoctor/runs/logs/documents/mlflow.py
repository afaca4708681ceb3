"""MLflow's files: one a metric, in ``mlruns/EXPERIMENT/RUN/metrics``, a value a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.runs.logs.documents.document import Document, Part, Unread
from ckptdoctor.runs.logs.scalars import Scalar, rows_of_scalars

__all__ = ["METRICS", "MLFLOW"]

METRICS = "metrics"
_LINE = re.compile(rb"(\d{9,16}) (\S{1,40}) (-?\d{1,15})\s*+")
_MOST_NBYTES = 64_000_000


def _recognises(head: bytes, path: Path) -> bool:
    first = head.split(b"\n", 1)[0]
    return METRICS in path.parts[:-1] and _LINE.fullmatch(first) is not None


def _read(text: bytes, path: Path) -> Iterator[Part]:
    at = len(path.parts) - 2 - path.parts[-2::-1].index(METRICS)
    name = "/".join(path.parts[at + 1 :])  # MLflow makes a folder of `val/iou`
    scalars: list[Scalar] = []
    for number, line in enumerate(text.splitlines(), start=1):
        found = _scalar(line)
        if found is not None:
            scalars.append(found)
        elif line.strip():
            yield Unread(text=line[:200].decode("utf-8", "replace"), number=number)
    series = {name: scalars}
    if name != "epoch":
        series["epoch"] = _told_beside(Path(*path.parts[: at + 1], "epoch"))
    yield from rows_of_scalars(series)


def _scalar(line: bytes) -> Scalar | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        value = float(found[2])
    except ValueError:
        return None
    return Scalar(step=int(found[3]), value=value, time_s=int(found[1]) / 1000)


def _told_beside(path: Path) -> list[Scalar]:
    """Which epoch each step is of, where Lightning logged it as a metric."""
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST_NBYTES).splitlines()
    except OSError:
        return []
    return [found for found in map(_scalar, lines) if found is not None]


MLFLOW = Document(what="a metric of MLflow", recognises=_recognises, read=_read)
