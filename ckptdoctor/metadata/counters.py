"""Epoch and step as the contents of a checkpoint tell them."""

from __future__ import annotations

from collections.abc import Mapping

from ckptdoctor.checkpoint import Scalar

__all__ = ["EPOCH_KEYS", "STEP_KEYS", "count"]

EPOCH_KEYS = ("epoch", "current_epoch", "epochs_run", "num_epochs_trained", "last_epoch")
STEP_KEYS = ("global_step", "iteration", "step", "iter", "num_updates", "total_steps_trained")
_HOLDERS = (
    *("", "meta.", "state.", "train_state.", "trainer_state.", "info.", "progress.", "extra."),
    "extra_state.train_iterator.",  # fairseq
)
_MAX_COUNT = 10**12


def count(scalars: Mapping[str, Scalar], keys: tuple[str, ...]) -> int | None:
    """The first plausible counter under one of the keys, near the root."""
    for key in keys:
        for holder in _HOLDERS:
            value = scalars.get(holder + key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            # Compared first: an integer may be too large to be a float, which isfinite makes of it.
            if 0 <= value < _MAX_COUNT and value == int(value):
                return int(value)
    return None
