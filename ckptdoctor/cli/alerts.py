"""Runs the user's command for an event, beside the watch, which goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

from ckptdoctor.cli.output import note

__all__ = ["Alerts"]

_TIMEOUT_S = 60.0
_MOST_AT_ONCE = 4
_AT_THE_END_S = 10.0


class Alerts:
    """Starts a command with the event as JSON on its standard input.

    Args:
        command: for the shell; "" for none.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._threads: list[threading.Thread] = []

    def tell(self, event: str) -> None:
        """Run the command for an event; what it does wrong is a note, and no more."""
        if not self._command:
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= _MOST_AT_ONCE:
            note(f"--on-alert: {_MOST_AT_ONCE} are running still; this event was left out")
            return
        thread = threading.Thread(target=self._run, args=(event,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def wait(self) -> None:
        """Give those that are running a little time to end."""
        deadline = time.monotonic() + _AT_THE_END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, event: str) -> None:
        try:
            process = subprocess.Popen(  # noqa: S602  (the user's own command, for a shell)
                self._command,
                shell=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends the watch, and lets the last alert go out
            )
        except OSError as error:
            note(f"--on-alert: {error}")
            return
        with process:
            try:
                with contextlib.suppress(BrokenPipeError):
                    process.communicate(event.encode(), timeout=_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                _end(process)
                note(f"--on-alert: it took more than {_TIMEOUT_S:.0f} s and was ended")
                return
        if process.returncode:
            note(f"--on-alert: it ended with {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the shell and what it started; where the system knows no groups, the shell."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
