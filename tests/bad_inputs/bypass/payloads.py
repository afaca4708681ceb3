"""What hostile calls are made with: a command, an expression, a pickle, a file to be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_inputs.bypass.one import python_of, shell
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, with_state

__all__ = [
    "Arguments", "argv", "fixed", "hostile_array", "namespace", "nested", "nested_in", "py",
    "script", "self_nested", "self_py", "sh", "site_folder", "written",
]  # fmt: skip

Arguments = Callable[[Path], tuple[Any, ...]]


def nested(canary: Path) -> bytes:
    """A pickle that runs a command."""
    return pickle_of(call(named("posix", "system"), shell(canary)), 2)


def namespace(**state: Any) -> Opcodes:
    """An object with these attributes."""
    made = Opcodes(named("argparse", "Namespace") + b")\x81")
    return with_state(made, state) if state else made


def sh(canary: Path) -> tuple[Any, ...]:
    """A command for the shell."""
    return (shell(canary),)


def py(canary: Path) -> tuple[Any, ...]:
    """An expression."""
    return (python_of(canary),)


def self_py(canary: Path) -> tuple[Any, ...]:
    """Any object, and an expression."""
    return (namespace(), python_of(canary))


def self_nested(canary: Path) -> tuple[Any, ...]:
    """Any object, and a pickle."""
    return (namespace(), nested(canary))


def argv(canary: Path) -> tuple[Any, ...]:
    """A program and its argument."""
    return (["touch", str(canary)],)


def nested_in(canary: Path) -> tuple[Any, ...]:
    """A pickle that runs a command."""
    return (nested(canary),)


def written(*more: Any) -> Arguments:
    """The path of the file that must not be written, and more."""
    return lambda canary: (str(canary), *more)


def fixed(*args: Any) -> Arguments:
    """Always the same."""
    return lambda _: args


def script(canary: Path) -> str:
    """The path of a file of Python."""
    path = canary.with_name("script.py")
    path.write_text(python_of(canary))
    return str(path)


def site_folder(canary: Path) -> str:
    """A folder whose ``.pth`` file holds a line of Python."""
    folder = canary.with_name("site")
    folder.mkdir(exist_ok=True)
    (folder / "x.pth").write_text(f"import os; {python_of(canary)}\n")
    return str(folder)


class _Runs:
    """Pickles as a call."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (self.command,)


def hostile_array(canary: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    """An array of one object, which pickles as a call."""
    found = np.empty(1, dtype=object)
    found[0] = _Runs(shell(canary))
    return found
