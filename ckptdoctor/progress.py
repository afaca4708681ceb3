"""How far a long call is: for a function of the caller's, or as a bar in a notebook.

The bar goes through IPython's own display handle, neither through rich nor through ipywidgets: rich
needs ipywidgets there, kernels often lack them, and a notebook that was saved with a widget shows
"widget not found" afterwards. What this leaves in a saved notebook is an empty output.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Meter", "Progress", "metered"]

Progress = Callable[[int, int], object]
"""Told of the bytes done and the bytes expected so far."""

_PATIENCE_S = 1.0
_EVERY_S = 0.25
_MOST_PARTS = 1000


class Meter:
    """Adds up what the threads report, and tells one listener at a time.

    Args:
        listener: told of the bytes done and expected.
    """

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._done = 0
        self._expected = 0

    def expect(self, _: Path, nbytes: int) -> None:
        """More work is coming."""
        with self._lock:
            self._expected += nbytes

    def advance(self, nbytes: int) -> None:
        """Some of it is done."""
        with self._lock:
            self._done += nbytes
            self._tell()

    def _tell(self) -> None:
        try:
            self._listener(self._done, self._expected)
        except OSError as error:  # would be taken for a file that cannot be read
            raise RuntimeError(f"progress failed: {error}") from error


@contextlib.contextmanager
def metered(progress: Progress | bool | None, /) -> Iterator[Meter | None]:  # noqa: FBT001
    """What to tell of the bytes; None where nobody listens.

    Args:
        progress: a function; None or True for a bar where this is a notebook, False for nothing.
    """
    if progress is None or isinstance(progress, bool):
        display = None if progress is False else _notebook()
        if display is None:
            yield None
            return
        bar = _Bar(display)
        try:
            yield Meter(bar)
        finally:
            bar.end()
    else:
        yield Meter(progress)


def _notebook() -> Callable[..., Any] | None:
    """IPython's ``display``, where this is a kernel that shows HTML; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    found: Callable[..., Any] = __import__("IPython.display").display.display
    return found


class _Bar:
    """A bar below the cell, where it takes more than a second; it is gone when it ends.

    Args:
        display: IPython's.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._started = self._told = time.monotonic()
        self._handle: Any = None

    def __call__(self, done: int, expected: int) -> None:
        """Draw it anew, where that is due."""
        now = time.monotonic()
        if now - self._started < _PATIENCE_S or now - self._told < _EVERY_S:
            return
        self._told = now
        share = min(1.0, done / expected) if expected else 0.0
        left = (now - self._started) * (1 - share) / share if share else 0.0
        text = f"{done / 1e9:.1f} of {expected / 1e9:.1f} GB, {left:.0f} s left"
        html = (
            f'<progress value="{int(share * _MOST_PARTS)}" max="{_MOST_PARTS}" '
            f'style="width: 20em; vertical-align: middle"></progress> {text}'
        )
        self._show({"text/plain": f"{share:.0%}, {text}", "text/html": html})

    def end(self) -> None:
        """Take it away."""
        if self._handle is not None:
            self._show({"text/plain": "", "text/html": ""})

    def _show(self, data: dict[str, str]) -> None:
        with contextlib.suppress(Exception):  # no bar is no reason to fail
            if self._handle is None:
                self._handle = self._display(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)
