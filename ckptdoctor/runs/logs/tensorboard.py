"""TensorBoard's event files, through the ``tensorboard`` package.

An event knows its step, not its epoch. Lightning writes a scalar ``epoch`` at every step, which
tells one from the other; many scripts count epochs as their steps. Anything else cannot be joined.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from ckptdoctor.runs.logs.collect import Collector
from ckptdoctor.runs.logs.log_reading import Row

__all__ = ["EVENTS", "read_events"]

EVENTS = "events.out.tfevents"
_NEEDS = "to read it, pip install ckptdoctor[tensorboard]"


def read_events(path: Path, collected: Collector) -> None:
    """The scalars of an event file by epoch."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it says that TensorFlow is missing
            from tensorboard.backend.event_processing.event_accumulator import (
                EventAccumulator,
            )
    except ImportError:
        collected.unreadable(1, _NEEDS)
        return
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    try:
        events.Reload()
        scalars = {
            tag: [(event.step, event.value, event.wall_time) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
    except Exception as error:  # noqa: BLE001  (whatever a damaged file makes protobuf raise)
        collected.unreadable(1, f"{type(error).__name__}: {error}")
        return
    _by_epoch(scalars, collected)


def _by_epoch(
    scalars: Mapping[str, Sequence[tuple[int, float, float]]], collected: Collector
) -> None:
    told = {step: int(value) for step, value, _ in scalars.get("epoch", ())}
    rows: list[tuple[float, Row]] = []
    for tag, events in scalars.items():
        if tag == "epoch":
            continue
        steps = [step for step, _, _ in events]
        counts_epochs = all(b - a in (0, 1) for a, b in itertools.pairwise(steps))
        for step, value, time_s in events:
            epoch = told.get(step) if told else step if counts_epochs else None
            if epoch is None:
                collected.unreadable(step, f"{tag}: step {step} is of no epoch that is told")
                continue
            row = Row(
                epoch=epoch,
                values={tag: float(f"{value:.7g}")},  # it was a float32
                step=step if told else None,
                time_s=time_s,
            )
            rows.append((time_s, row))
    for _, row in sorted(rows, key=lambda item: item[0]):
        collected.add(row)
