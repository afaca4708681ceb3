"""What a ``trainer_state.json`` says of the checkpoint that it lies in.

Source: ``transformers/trainer_callback.py`` (``TrainerState``) and ``Trainer.log``, which adds
``step`` and ``epoch`` to every entry of ``log_history``. Values of an evaluation begin with
``eval_``; one data set after another has an entry of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from ckptdoctor.checkpoint import Scalar

__all__ = ["at_its_best", "scalars_of_state", "step_of_name"]

_EVALUATED = "eval_"
_SPEED = re.compile(r"_(?:runtime|samples_per_second|steps_per_second|time)$")
_TRAINING = ("loss", "train_loss")
_NAME = re.compile(r"checkpoint-(\d{1,12})")


def scalars_of_state(state: Mapping[str, Any]) -> dict[str, Scalar]:
    """Epoch, step, best score so far, and what this checkpoint scored itself.

    The best score has the name of what was measured, ``best_eval_accuracy``, where the history
    tells which it is, else ``best_metric``. A loss of the training is given where no evaluation
    took place at this step.

    Args:
        state: the object in the file.
    """
    found: dict[str, Scalar] = {
        key: state[key] for key in ("epoch", "global_step") if _is_number(state.get(key))
    }
    entries = list(_entries(state))
    best = state.get("best_metric")
    if _is_number(best):
        found[_name_of_best(state, entries, best)] = best
    step = state.get("global_step")
    scores = {
        key: value
        for entry in entries
        if entry.get("step") == step
        for key, value in _scores(entry)
    }
    return found | (scores or _last_loss(entries))


def at_its_best(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state as it was when the best checkpoint was saved; itself where it tells of none."""
    step = _best_step(state)
    if step is None:
        return state
    epochs = (one["epoch"] for one in _entries(state) if one.get("step") == step and "epoch" in one)
    return {**state, "global_step": step, "epoch": next(epochs, None)}


def step_of_name(name: str) -> int | None:
    """The step in the name of a folder ``checkpoint-N``."""
    said = _NAME.fullmatch(name)
    return int(said[1]) if said else None


def _entries(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    history = state.get("log_history")
    if isinstance(history, list):
        yield from (entry for entry in history if isinstance(entry, dict))


def _scores(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in entry.items():
        if key.startswith(_EVALUATED) and _is_number(value) and not _SPEED.search(key):
            yield key, value


def _last_loss(entries: list[Mapping[str, Any]]) -> dict[str, Scalar]:
    for entry in reversed(entries):
        for key in _TRAINING:
            if _is_number(entry.get(key)):
                return {key: entry[key]}
    return {}


def _name_of_best(state: Mapping[str, Any], entries: list[Mapping[str, Any]], best: float) -> str:
    """What the best score is a score of: the one value of its step that equals it."""
    step = _best_step(state)
    names = {
        key
        for entry in entries
        if step is None or entry.get("step") == step
        for key, value in _scores(entry)
        if value == best
    }
    return f"best_{names.pop()}" if len(names) == 1 else "best_metric"


def _best_step(state: Mapping[str, Any]) -> int | None:
    """The step of the best checkpoint; older versions tell its folder alone."""
    step = state.get("best_global_step")
    if isinstance(step, int):
        return step
    where = str(state.get("best_model_checkpoint") or "")
    return step_of_name(where.replace("\\", "/").rstrip("/").rpartition("/")[2])


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
