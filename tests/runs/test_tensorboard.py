"""Event files that TensorBoard's own writer wrote."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.runs.logs import read_logs

pytest.importorskip("tensorboard")


def write(folder: Path, scalars: Mapping[str, Sequence[tuple[int, float]]]) -> Path:
    """An event file with these scalars: tag -> step and value."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    rows = sorted((step, tag, value) for tag, events in scalars.items() for step, value in events)
    for step, tag, value in rows:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(step=step, wall_time=1e9 + 60 * step, summary=summary))
    writer.close()
    (path,) = folder.iterdir()
    return path


def test_steps_that_count_epochs(tmp_path: Path) -> None:
    ious = [(epoch, 0.5 + epoch / 100) for epoch in range(5)]
    found = read_logs([write(tmp_path, {"val/iou": ious, "loss": [(4, math.nan)]})])
    assert found.epochs[2] == {"val/iou": 0.52}
    assert math.isnan(found.epochs[4]["loss"])
    assert found.by_epoch.times_s[3] - found.by_epoch.times_s[2] == 60


def test_lightning_tells_the_epoch_of_a_step(tmp_path: Path) -> None:
    steps = [99, 199, 299]
    path = write(
        tmp_path,
        {
            "epoch": [(step, at) for at, step in enumerate(steps)],
            "val_iou": [(step, 0.1 * at) for at, step in enumerate(steps)],
        },
    )
    found = read_logs([path])
    assert {epoch: dict(values) for epoch, values in found.epochs.items()} == {
        0: {"val_iou": 0.0},
        1: {"val_iou": 0.1},
        2: {"val_iou": 0.2},
    }
    assert found.epoch_of_step(150) == 1


def test_steps_that_are_of_no_epoch_stay_steps(tmp_path: Path) -> None:
    found = read_logs([write(tmp_path, {"loss": [(0, 1.0), (100, 0.5)]})])
    assert found.unread == 0
    assert [(row.epoch, row.step, row.values) for row in found.rows] == [
        (None, 0, {"loss": 1.0}),
        (None, 100, {"loss": 0.5}),
    ]


def test_what_every_step_writes_counts_no_epochs(tmp_path: Path) -> None:
    """Beside a score of every hundredth step; a short log may do so with every fifth epoch."""
    scores = [(step, 0.5) for step in range(100, 1500, 100)]
    (tmp_path / "long").mkdir()
    path = write(tmp_path / "long", {"loss": [(n, 0.5) for n in range(1500)], "val/iou": scores})
    assert {row.epoch for row in read_logs([path]).rows} == {None}
    (tmp_path / "short").mkdir()
    short = {"loss": [(n, 0.5) for n in range(20)], "val/iou": [(n, 0.5) for n in (4, 9, 14)]}
    rows = read_logs([write(tmp_path / "short", short)]).rows
    assert {row.epoch for row in rows if "loss" in row.values} == set(range(20))


def test_between_two_steps_whose_epoch_is_told_it_is_the_first_ones(tmp_path: Path) -> None:
    scalars = {"epoch": [(0, 0.0), (100, 1.0)], "loss": [(0, 1.0), (50, 0.9), (150, 0.8)]}
    rows = read_logs([write(tmp_path, scalars)]).rows
    assert [(row.epoch, row.step) for row in rows] == [(0, 0), (0, 50), (1, 150)]


def test_a_damaged_event_file_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(b"\x07\x00nonsense" * 50)
    assert read_logs([path]).epochs == {}


def test_without_the_package_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return real(name, *rest, **named)

    for name in [name for name in sys.modules if name.startswith("tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    path = tmp_path / "events.out.tfevents.1.host"
    path.touch()
    found = read_logs([path])
    assert found.unread == 1
    assert "install tensorboard" in found.examples[0]
