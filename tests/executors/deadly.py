"""What makes a worker die in the middle of a file, and what has it do so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from ckptdoctor.executors.workers import Workers
from ckptdoctor.formats import opened

__all__ = ["DyingWorkers", "die_at", "die_once_at", "dying"]

T = TypeVar("T")


def _killing(name: str, once: Path | None) -> Any:
    def opening(path: Path) -> Any:
        if path.name == name and (once is None or not once.exists()):
            if once is not None:
                once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return opened(path)

    return mock.patch("ckptdoctor.one_file.opened", opening)


def die_at(name: str) -> None:
    """Have this process die whenever it opens a file of that name."""
    _killing(name, None).start()


def die_once_at(name: str, once: str) -> None:
    """Have the first process die that opens a file of that name."""
    _killing(name, Path(once)).start()


def dying(name: str, work: Callable[..., T], *args: Any) -> T:
    """Do it in a process that dies when it opens a file of that name."""
    with _killing(name, None):
        return work(*args)


class DyingWorkers(Workers):
    """Processes each of which dies when it opens a file of a name.

    Args:
        count: how many.
        name: of the file.
    """

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count)
        self._name = name

    def submit(self, work: Callable[..., T], /, *args: Any, **_: Any) -> Future[T]:
        return super().submit(dying, self._name, work, *args)
