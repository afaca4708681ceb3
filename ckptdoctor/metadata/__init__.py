"""Where a checkpoint stands in its run: epoch, step and metric, from its contents or its name.

Sources: the checkpoint layouts of Lightning, MMEngine, Detectron2, timm, Ultralytics, torchtune,
fairseq and the Hugging Face Trainer.
"""

from __future__ import annotations

from ckptdoctor.metadata.counters import count_text
from ckptdoctor.metadata.facts import Metadata, Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.file_names import epoch_from_name, says_epoch, step_from_name
from ckptdoctor.metadata.metric_names import named_metric, plain_name
from ckptdoctor.metadata.order import position
from ckptdoctor.metadata.preference import principal
from ckptdoctor.metadata.reading import read_metadata

from ckptdoctor.metadata.stub import *
from ckptdoctor.metadata.stub import METRIC_WORDS, NameNumber, NameParts, Split, best_of, is_loss, name_parts, split_of

__all__ = [
    "Metadata",
    "Metric",
    "MetricKind",
    "Mode",
    "Source",
    "count_text",
    "epoch_from_name",
    "named_metric",
    "plain_name",
    "position",
    "principal",
    "read_metadata",
    "says_epoch",
    "step_from_name",
]
