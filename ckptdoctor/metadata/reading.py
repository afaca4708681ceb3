"""Epoch, step and metrics of a checkpoint, from its contents and its name."""

from __future__ import annotations

import itertools

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.metadata.counters import EPOCH_KEYS, STEP_KEYS, count
from ckptdoctor.metadata.facts import Metadata, Source
from ckptdoctor.metadata.file_names import epoch_from_name, metrics_in_name, step_from_name
from ckptdoctor.metadata.preference import principal
from ckptdoctor.metadata.scores import metrics_in

__all__ = ["read_metadata"]

_MAX_METRICS = 1000


def read_metadata(checkpoint: Checkpoint) -> Metadata:
    """Epoch, step and metrics of a checkpoint.

    What the contents say comes before what the name says.
    """
    scalars = checkpoint.scalars
    name_epoch = epoch_from_name(checkpoint.path)
    epoch = count(scalars, EPOCH_KEYS)
    source: Source | None = None
    if epoch is not None:
        source = Source.CONTENTS
    elif name_epoch is not None:
        epoch, source = name_epoch, Source.FILENAME
    step = count(scalars, STEP_KEYS)
    found = itertools.islice(metrics_in(scalars), _MAX_METRICS)
    metrics = (*found, *metrics_in_name(checkpoint.path))
    return Metadata(
        epoch=epoch,
        epoch_source=source,
        name_epoch=name_epoch,
        global_step=step_from_name(checkpoint.path) if step is None else step,
        metric=principal(metrics),
        metrics=metrics,
    )
