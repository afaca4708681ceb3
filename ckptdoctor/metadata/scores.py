"""The metrics among the values that a checkpoint holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata.facts import Metric, Mode
from ckptdoctor.metadata.metric_names import PROMISING, make, metric_of, mode_of, words_of

__all__ = ["metrics_in"]

_MAX_BITS = 1000  # a longer integer is no float


_NOT_METRICS = re.compile(
    r"(^|\.)(optimizer|optim|scheduler|lr_sched|scaler|args|config|cfg|hyper_parameters|hparams"
    r"|loss_fn|criterion|_metadata|train_args|param_groups)"
)


_MAX_DEPTH = 4


_MODE_IN_NAME = re.compile(r"'mode': '(min|max)'")  # Lightning writes it into the callback's key


def metrics_in(scalars: Mapping[str, Scalar]) -> Iterator[Metric]:
    """Every metric among the values of a checkpoint."""
    for path, value in scalars.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        holder, _, key = path.rpartition(".")
        if not PROMISING.search(key) or path.count(".") >= _MAX_DEPTH:
            continue
        if _NOT_METRICS.search(path) or (isinstance(value, int) and value.bit_length() > _MAX_BITS):
            continue
        monitor = scalars.get(f"{holder}.monitor")
        if key in ("current_score", "best_model_score") and isinstance(monitor, str):
            yield _monitored(holder, monitor, float(value), best=key == "best_model_score")
        elif "." not in holder and (found := metric_of(key, float(value))) is not None:
            yield found


def _monitored(holder: str, monitor: str, value: float, *, best: bool) -> Metric:
    """What a checkpoint callback of Lightning watches."""
    said = _MODE_IN_NAME.search(holder)
    mode = Mode(said[1]) if said else mode_of(words_of(monitor))
    return make(f"best_{monitor}" if best else monitor, value, mode, best=best)
