"""Epoch and step as the contents of a checkpoint tell them, and as people read them.

Sources: beside the layouts of :mod:`ckptdoctor.metadata`, nanoGPT (``iter_num``), DeepSpeed
(``global_steps``), and the metadata that sd-scripts (``ss_epoch``; ``ss_num_epochs`` is what was
planned) and ai-toolkit (``training_info``) write into safetensors.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from ckptdoctor.checkpoint import Role, Scalar, TensorRecord

__all__ = ["count_text", "epoch_in", "step_in"]

_EPOCH_KEYS = (
    *("epoch", "current_epoch", "cur_epoch", "epochs_run", "num_epochs_trained", "ss_epoch"),
)
_SCHEDULERS = "last_epoch"
_STEP_KEYS = (
    *("global_step", "iteration", "step", "iter", "num_updates", "total_steps_trained"),
    *("iter_num", "current_step", "global_steps", "ss_steps", "steps", "iters", "num_iterations"),
)
_METADATA = "__metadata__."  # of safetensors, where every value is text
_HOLDERS = (
    *("", "meta.", "state.", "train_state.", "trainer_state.", "info.", "progress.", "extra."),
    *("trainer.", "training_state.", _METADATA),
    "extra_state.train_iterator.",  # fairseq
    *("custom_checkpoint_0.", "custom_checkpoint_1.", "custom_checkpoint_2."),  # accelerate
)
_MAX_COUNT = 10**12
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_TRAINING_INFO = re.compile(r'"(epoch|step)": ?"?(\d{1,12})(?!\d)')
_INFO_CHARS = 1000


def epoch_in(scalars: Mapping[str, Scalar], tensors: Iterable[TensorRecord]) -> int | float | None:
    """The epoch among the values of a checkpoint.

    Args:
        scalars: the values by their path.
        tensors: what lies beside them: without weights ``last_epoch`` is that of a scheduler, which
            counts steps as often as epochs.
    """
    epoch = _first(scalars, _EPOCH_KEYS)
    if epoch is None and _SCHEDULERS in scalars and _has_weights(tensors):
        epoch = _count(scalars[_SCHEDULERS])
    return _in_training_info(scalars, "epoch") if epoch is None else epoch


def step_in(scalars: Mapping[str, Scalar]) -> int | None:
    """The optimizer step or iteration among the values of a checkpoint."""
    step = _first(scalars, _STEP_KEYS, whole=True)
    return _in_training_info(scalars, "step") if step is None else int(step)


def count_text(count: float) -> str:
    """An epoch as people read it: ``12``, ``1.5``, ``0.33``."""
    if count == int(count):
        return str(int(count))
    return f"{count:.2f}".rstrip("0").rstrip(".") if count >= 0.01 else f"{count:.1g}"


def _first(
    scalars: Mapping[str, Scalar], keys: tuple[str, ...], *, whole: bool = False
) -> int | float | None:
    """The first plausible counter under one of the keys, near the root."""
    for path in filter(scalars.__contains__, _places_of(keys)):
        count = _count(scalars[path])
        if count is not None and not (whole and isinstance(count, float)):
            return count
    return None


@functools.cache
def _places_of(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(holder + key for key in keys for holder in _HOLDERS)


def _count(value: Scalar) -> int | float | None:
    """A number that may count something: an int where it is whole."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared first: an integer may be too large to be a float, and NaN is no int.
    if not 0 <= value < _MAX_COUNT:
        return None
    return int(value) if value == int(value) else value


def _has_weights(tensors: Iterable[TensorRecord]) -> bool:
    return any(tensor.role in (Role.MODEL, Role.EMA) for tensor in tensors)


def _in_training_info(scalars: Mapping[str, Scalar], which: str) -> int | None:
    """What a JSON object in the metadata of safetensors counts."""
    text = scalars.get(f"{_METADATA}training_info")
    if not isinstance(text, str):
        return None
    told = {found[1]: int(found[2]) for found in _TRAINING_INFO.finditer(text[:_INFO_CHARS])}
    return told.get(which)
