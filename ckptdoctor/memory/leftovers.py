"""What an interpreter keeps of an error that is over, and IPython of outputs that were shown.

After an interrupt or "out of memory" the last error's traceback refers to every frame of the
training loop, and through them to batches, activations and gradients: emptying torch's cache then
frees nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from ckptdoctor.memory.held import holding, shell

__all__ = ["drop_leftovers"]

_LAST = ("last_exc", "last_value", "last_traceback")  # last_exc: from Python 3.12 on


def drop_leftovers(torch: Any) -> tuple[str, ...]:
    """Let go of the last error's frames and of outputs on a GPU; says what was let go.

    Args:
        torch: the module.
    """
    ours = shell()
    dropped = [f"the traceback of {name}" for name in _drop_traceback(ours)]
    if ours is not None:
        dropped += _drop_outputs(ours, torch)
    return tuple(dropped)


def _drop_traceback(ours: Any) -> list[str]:
    names = []
    for error in _last_errors(ours):
        if error.__traceback__ is not None:
            names.append(type(error).__name__)
        _strip(error)
    for name in _LAST:
        if getattr(sys, name, None) is not None:
            setattr(sys, name, None)
    tracer = getattr(ours, "InteractiveTB", None)
    for name in ("tb", "value", "evalue"):  # what IPython's %debug and %tb look at
        if getattr(tracer, name, None) is not None:
            setattr(tracer, name, None)
    return list(dict.fromkeys(names))


def _last_errors(ours: Any) -> Iterator[BaseException]:
    """The errors that are over; the one that is being handled is not among them."""
    alive = sys.exception()
    result = getattr(ours, "last_execution_result", None)
    for error in (
        getattr(sys, "last_exc", None),
        getattr(sys, "last_value", None),
        getattr(result, "error_in_exec", None),
    ):
        if isinstance(error, BaseException) and error is not alive:
            yield error


def _strip(error: BaseException) -> None:
    """Take the frames from an error and from those that led to it; the errors themselves stay."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = None
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [e for e in (one.__cause__, one.__context__, *inner) if e is not None]


def _drop_outputs(ours: Any, torch: Any) -> Iterator[str]:
    """Take outputs that hold CUDA tensors from the history; a name that the user gave stays."""
    names, hook = ours.user_ns, getattr(ours, "displayhook", None)
    history = names.get("_oh")
    outputs = history if isinstance(history, dict) else {}
    for number, value in list(outputs.items()):
        if holding(value, torch).nbytes:
            del outputs[number]
            if names.get(f"_{number}") is value:
                del names[f"_{number}"]
            yield f"Out[{number}]"
    for name in ("_", "__", "___"):
        value = getattr(hook, name, None)
        if not holding(value, torch).nbytes:
            continue
        setattr(hook, name, "")
        if names.get(name) is value:  # else the user has given the name to something
            names[name] = ""
        yield name
