"""Epoch, step and metrics of a checkpoint, from its contents and its name."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.metadata.counters import epoch_in, step_in
from ckptdoctor.metadata.courses import courses_in, scores_of_courses
from ckptdoctor.metadata.facts import Metadata, Source
from ckptdoctor.metadata.file_names import (
    epoch_from_name,
    metrics_in_name,
    says_epoch,
    step_from_name,
)
from ckptdoctor.metadata.preference import principal
from ckptdoctor.metadata.scores import scores_in

__all__ = ["read_metadata"]


def read_metadata(checkpoint: Checkpoint) -> Metadata:
    """Epoch, step and metrics of a checkpoint.

    What the contents say comes before what the name says.
    """
    path, scalars = checkpoint.path, checkpoint.scalars
    step = step_in(scalars)
    epoch = epoch_in(scalars, checkpoint.tensors)
    name_epoch = _name_epoch(path, step)
    source: Source | None = None
    if epoch is not None:
        source = Source.CONTENTS
    elif name_epoch is not None:
        epoch, source = name_epoch, Source.FILENAME
    known, unknown = scores_in(scalars)
    courses = courses_in(scalars, epoch)
    names = {metric.name for metric in known}
    known += [metric for metric in scores_of_courses(courses) if metric.name not in names]
    named, strange = metrics_in_name(path, known)
    metrics = (*known, *named)
    return Metadata(
        epoch=epoch,
        epoch_source=source,
        name_epoch=name_epoch,
        global_step=step_from_name(path) if step is None else step,
        metric=principal(metrics),
        metrics=metrics,
        not_understood=(*unknown, *strange),
        courses=courses,
    )


def _name_epoch(path: Path, step: int | None) -> int | float | None:
    """The epoch in the name; a bare number that is the step of the contents is none."""
    epoch = epoch_from_name(path)
    if epoch is None or step is None or says_epoch(path):
        return epoch
    return None if abs(epoch - step) <= 1 else epoch
