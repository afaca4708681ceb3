"""Settings of a script, printed before it begins: `epoch` among them is no epoch that was trained.

argparse's namespaces, Hydra's and Hugging Face's arguments have such names by the dozen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping

from ckptdoctor.metadata import Source, is_best, named_metric
from ckptdoctor.runs.logs.any_word import any_word

__all__ = ["are_settings", "length_of_settings", "tells_settings"]

_NAMES = frozenset(
    """
    batch_size train_batch_size eval_batch_size per_device_train_batch_size bs
    epochs num_epochs n_epochs max_epochs total_epochs nb_epochs num_train_epochs max_epoch
    max_steps total_steps warmup_steps warmup_epochs gradient_accumulation_steps
    seed num_workers workers n_workers nproc world_size local_rank gpus device
    weight_decay momentum optimizer optim scheduler dropout hidden_size num_layers num_classes
    dataset data_dir data_path data_root output_dir out_dir save_dir log_dir exp_name
    model arch backbone resume pretrained amp fp16 img_size image_size input_size
    """.split()
)
_LEAST = 2
_TOLD = re.compile(rf"(?<![\w.])({any_word(sorted(_NAMES))})['\"]?\s?[=:]")


def are_settings(names: Collection[str]) -> bool:
    """Whether names are those of settings, without any of what is measured."""
    return len(_NAMES.intersection(names)) >= _LEAST and not _is_any_measured(names)


def tells_settings(line: str, names: Iterable[str]) -> bool:
    """Whether a line of text lists settings.

    Args:
        line: all of it.
        names: of the values that are read of it.
    """
    told = {found[1] for found in _TOLD.finditer(line)}
    return len(told) >= _LEAST and not _is_any_measured(names)


def length_of_settings(head: bytes) -> int:
    """How many bytes of a log the JSON object with settings takes that it begins with; 0 without.

    Args:
        head: the first bytes; something else follows there.
    """
    if head.lstrip()[:1] != b"{" or b"\n" not in head:
        return 0
    text = head.decode("utf-8", "replace")
    begin = len(text) - len(text.lstrip())
    try:
        found, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return 0
    is_one = isinstance(found, Mapping) and are_settings(found.keys())
    return len(text[:end].encode()) if is_one and text[end:].strip() else 0


def _is_any_measured(names: Iterable[str]) -> bool:
    return any(
        named_metric(name, 0.0, Source.LOG) is not None and not is_best(name) for name in names
    )
