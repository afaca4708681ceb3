"""The program: ``ckptdoctor`` and ``python -m ckptdoctor``."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

__all__ = ["main"]

_BUG = 70
_INTERRUPTED = 130
_USAGE = 2
_NOTHING = 3
_REFUSED = 4
_ANSWERED_AGAIN = frozenset({"history", "rank", "scan"})
"""Commands whose answers hold names and figures alone; a plan quotes the command of the run."""


def main() -> NoReturn:
    """Run the command line and exit."""
    from ckptdoctor.cli.interrupts import catch_interrupts

    catch_interrupts()
    code = run(sys.argv[1:])
    # Python would end itself by the signal where one came in a class that was being made.
    if code == _INTERRUPTED or "ckptdoctor.scanning.libtorch" in sys.modules:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """Exit at once: tearing torch's library down takes longer than many a scan."""
    import atexit
    import contextlib
    import os

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    atexit._run_exitfuncs()  # noqa: SLF001  (what sys.exit would have run)
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code, whatever happens."""
    import gc

    gc.disable()  # a short life: collecting costs a tenth of reading 20,000 tensors
    try:
        if arguments and arguments[0] in _ANSWERED_AGAIN:
            from ckptdoctor.cli.answers import answered

            code = answered(arguments, lambda: _work(arguments))
        else:
            code = _work(arguments)
        return _stopped() if code == _INTERRUPTED else code  # the parser catches Ctrl-C itself
    except KeyboardInterrupt:
        return _stopped()
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        return _failed(error)


def _work(arguments: list[str]) -> int:
    from ckptdoctor.cli.app import app

    return int(app(arguments, prog_name="ckptdoctor", standalone_mode=False) or 0)


def _stopped() -> int:
    sys.stderr.write("\nckptdoctor: interrupted\n")
    return _INTERRUPTED


def _failed(error: Exception) -> int:
    import typer

    if isinstance(error, typer.Abort):
        return _stopped()
    show = getattr(error, "show", None)
    if show is not None and hasattr(error, "exit_code"):  # a usage error of the parser
        show()
        return int(error.exit_code)
    from ckptdoctor.cli.output import note
    from ckptdoctor.errors import CkptDoctorError, DestinationError, UsageError

    if isinstance(error, OSError):
        note(str(error))
        return _REFUSED if isinstance(error, DestinationError) else _NOTHING
    if isinstance(error, CkptDoctorError):
        for line in getattr(error, "lines", (str(error),)):  # a list, a line each
            note(line)
        return _USAGE if isinstance(error, UsageError) else _BUG
    traceback.print_exc()
    sys.stderr.write("ckptdoctor: this is our bug, not your checkpoint's; please report it\n")
    return _BUG


if __name__ == "__main__":
    main()
