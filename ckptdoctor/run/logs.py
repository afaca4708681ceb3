"""Training logs: the metrics of each epoch, from whatever a training script leaves behind.

Read by content: lines that name an epoch, CSV with an ``epoch`` column, JSON a line, and the
``trainer_state.json`` of the Hugging Face Trainer. What cannot be read is passed over.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Epochs", "find_logs", "read_logs"]

Epochs = Mapping[int, Mapping[str, float]]
"""Epoch -> name of a value -> the value; where a restart repeats an epoch, the later stands."""

_NAMES = ("metrics.csv", "results.csv", "trainer_state.json", "scalars.json")
_SUFFIXES = (".log", ".txt", ".jsonl")
_MOST_LOGS = 20
_MOST_NBYTES = 200_000_000
_LINE_CHARS = 4000

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_EPOCH = re.compile(r"\bepochs?\b\s*[:=#\[( ]?\s*(\d{1,7})", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf(?:inity)?)"
_PAIR = re.compile(
    rf"([A-Za-z][\w@./-]*(?: [A-Za-z][\w@./-]*)?)\s*[:=]\s*({_NUMBER})(?![\w.])", re.IGNORECASE
)
_EPOCH_COLUMNS = ("epoch", "current_epoch", "epochs")


@dataclass(slots=True)
class _Collected:
    """What was read so far."""

    epochs: dict[int, dict[str, float]] = field(default_factory=dict)

    def add(self, epoch: int, values: Iterable[tuple[str, float]]) -> None:
        """The values of an epoch, on top of those that are there."""
        self.epochs.setdefault(epoch, {}).update(values)


def find_logs(files: Iterable[Path]) -> list[Path]:
    """The logs that lie beside checkpoints, or in the folder above them."""
    folders = {folder for file in files for folder in (file.parent, file.absolute().parent.parent)}
    found: dict[Path, None] = {}
    for folder in sorted(folders):
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            continue
        for path in paths:
            if (path.name in _NAMES or path.suffix in _SUFFIXES) and path.is_file():
                found[path.resolve()] = None
    return list(found)[:_MOST_LOGS]


def read_logs(paths: Iterable[Path]) -> Epochs:
    """The values of each epoch in these logs; of a value that two of them have, the later log's.

    Raises:
        OSError: a log cannot be read.
    """
    collected = _Collected()
    for path in paths:
        if not path.is_file():  # a FIFO would wait for ever
            raise FileNotFoundError(errno.ENOENT, "no such log file", str(path))
        with path.open("rb") as file:
            text = file.read(_MOST_NBYTES).decode("utf-8", "replace")
        _read(path, text, collected)
    return collected.epochs


def _read(path: Path, text: str, collected: _Collected) -> None:
    if path.name == "trainer_state.json":
        _read_trainer_state(text, collected)
    elif path.suffix == ".csv":
        _read_csv(text, collected)
    else:
        for line in re.split(r"[\r\n]+", text):
            if line.startswith("{"):
                _read_json_line(line, collected)
            else:
                _read_line(line[:_LINE_CHARS], collected)


def _read_line(line: str, collected: _Collected) -> None:
    """``Epoch 89: Loss: 0.2234 | IoU: 0.6434 | LR: 0.000145`` and its many relatives."""
    if "poch" not in line and "POCH" not in line:
        return
    line = _ANSI.sub("", line)
    match = _EPOCH.search(line)
    if match is None:
        return
    rest = line[match.end() :]
    values = [
        (name.strip(), float(value))
        for name, value in _PAIR.findall(rest)
        if name.lower() not in _EPOCH_COLUMNS
    ]
    if values:
        collected.add(int(match[1]), values)


def _read_csv(text: str, collected: _Collected) -> None:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    names = [name.strip() for name in rows.fieldnames or ()]
    column = next((name for name in _EPOCH_COLUMNS if name in names), None)
    if column is None:
        return
    rows.fieldnames = names
    for row in rows:
        epoch = _number(row.get(column))
        if epoch is not None and epoch == int(epoch):
            collected.add(int(epoch), _numbers(row))


def _read_json_line(line: str, collected: _Collected) -> None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(row, dict):
        epoch = next((_number(row.get(name)) for name in _EPOCH_COLUMNS if name in row), None)
        if epoch is not None and epoch == int(epoch):
            collected.add(int(epoch), _numbers(row))


def _read_trainer_state(text: str, collected: _Collected) -> None:
    try:
        history = json.loads(text).get("log_history", ())
    except (ValueError, RecursionError, AttributeError):
        return
    for row in history if isinstance(history, list) else ():
        epoch = _number(row.get("epoch")) if isinstance(row, dict) else None
        if epoch is not None:
            collected.add(round(epoch), _numbers(row))


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        number = _number(value)
        if number is not None and name not in _EPOCH_COLUMNS:
            yield name, number


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
