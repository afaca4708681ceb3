"""The command of a run, as far as the arguments tell that its checkpoint stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.shell import command_line

__all__ = ["stored_arguments", "stored_command"]

_HOLDERS = ("args", "opt", "opts", "options", "hyper_parameters", "hparams", "config", "cfg")
_MOST = 200
_LONGEST = 300


def stored_command(scalars: Mapping[str, Scalar]) -> str:
    """``python train.py --lr 0.0002 …`` from ``args`` and the like; "" where none are stored.

    The name of the script is not stored: ``train.py`` stands in its place.

    Args:
        scalars: of a checkpoint, by path.
    """
    for stored in _held(scalars):
        words = [
            word for name, value in list(stored.items())[:_MOST] for word in _flag(name, value)
        ]
        if words:
            return command_line("python", "train.py", *words)
    return ""


def stored_arguments(scalars: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The arguments that a checkpoint stores, by their names; none where there are none.

    Args:
        scalars: of the checkpoint, by path.
    """
    return next((stored for stored in _held(scalars) if stored), {})


def _held(scalars: Mapping[str, Scalar]) -> Iterator[dict[str, Scalar]]:
    for holder in _HOLDERS:
        prefix = f"{holder}."
        yield {
            path[len(prefix) :]: value
            for path, value in scalars.items()
            if path.startswith(prefix) and "." not in path[len(prefix) :]
        }


def _flag(name: str, value: Scalar) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if not name.replace("_", "").isalnum() or value is None or value is False:
        return []
    if value is True:
        return [flag]
    text = str(value)
    return [flag, text] if len(text) <= _LONGEST and text.isprintable() and text else []
