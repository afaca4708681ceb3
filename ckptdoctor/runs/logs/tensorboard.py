"""TensorBoard's event files, through the ``tensorboard`` package."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.runs.logs.documents.document import Unread
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.scalars import Scalar, rows_of_scalars

__all__ = ["EVENTS", "event_rows"]

EVENTS = "events.out.tfevents"
_NEEDS = "to read it, pip install tensorboard"


def event_rows(path: Path) -> Iterator[Row | Unread]:
    """The scalars of an event file, by epoch where one is told, else by step."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it says that TensorFlow is missing
            from tensorboard.backend.event_processing.event_accumulator import (
                EventAccumulator,
            )
    except ImportError:
        yield Unread(text=_NEEDS)
        return
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    try:
        events.Reload()
        series = {
            tag: [
                # It was a float32: 0.6413 and not 0.641299963.
                Scalar(step=one.step, value=float(f"{one.value:.7g}"), time_s=one.wall_time)
                for one in events.Scalars(tag)
            ]
            for tag in events.Tags()["scalars"]
        }
    except Exception as error:  # noqa: BLE001  (whatever a damaged file makes protobuf raise)
        yield Unread(text=f"{type(error).__name__}: {error}")
        return
    yield from rows_of_scalars(series)
