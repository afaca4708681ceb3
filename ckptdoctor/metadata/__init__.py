"""Where a checkpoint stands in its run: epoch, step and metric, from its contents or its name.

Sources: the checkpoint layouts of Lightning, MMEngine, Detectron2, timm, Ultralytics, torchtune,
fairseq and the Hugging Face Trainer.
"""

from __future__ import annotations

from ckptdoctor.metadata.counters import count_text, step_in
from ckptdoctor.metadata.facts import Metadata, Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.file_names import epoch_from_name, says_epoch, step_from_name
from ckptdoctor.metadata.metric_names import (
    Split,
    best_of,
    is_best,
    is_loss,
    is_part_of_loss,
    is_smoothed,
    is_test,
    is_unknown_score,
    metric_of,
    named_metric,
    plain_name,
    plain_of,
    split_of,
    unknown_metrics,
)
from ckptdoctor.metadata.metric_order import is_half, weight_of
from ckptdoctor.metadata.metric_signs import METRIC_SIGNS
from ckptdoctor.metadata.metric_words import METRIC_WORDS, SPLIT_WORDS
from ckptdoctor.metadata.name_parts import NameNumber, NameParts, name_parts
from ckptdoctor.metadata.order import position
from ckptdoctor.metadata.preference import principal
from ckptdoctor.metadata.reading import read_metadata
from ckptdoctor.metadata.scores import metric_called

__all__ = [
    "METRIC_SIGNS",
    "METRIC_WORDS",
    "SPLIT_WORDS",
    "Metadata",
    "Metric",
    "MetricKind",
    "Mode",
    "NameNumber",
    "NameParts",
    "Source",
    "Split",
    "best_of",
    "count_text",
    "epoch_from_name",
    "is_best",
    "is_half",
    "is_loss",
    "is_part_of_loss",
    "is_smoothed",
    "is_test",
    "is_unknown_score",
    "metric_called",
    "metric_of",
    "name_parts",
    "named_metric",
    "plain_name",
    "plain_of",
    "position",
    "principal",
    "read_metadata",
    "says_epoch",
    "split_of",
    "step_from_name",
    "step_in",
    "unknown_metrics",
    "weight_of",
]
