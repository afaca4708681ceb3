"""The program: ``ckptdoctor`` and ``python -m ckptdoctor``."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130
_USAGE = 2
_NOWHERE = "ckptdoctor: the folder that you are in is gone; cd to one that exists, and ask again\n"
_ANSWERED_AGAIN = frozenset({"history", "rank", "scan"})
"""Commands whose answers hold names and figures alone; a plan quotes the command of the run."""


def main() -> NoReturn:
    """Run the command line and exit."""
    from ckptdoctor.cli.interrupts import catch_interrupts

    _fill_closed_streams()
    catch_interrupts()
    code = run(sys.argv[1:])
    # Python would end itself by the signal where one came in a class that was being made.
    if code == _INTERRUPTED or _has_library():
        _leave(code)
    sys.exit(code)


def _fill_closed_streams() -> None:
    """Let no file that is opened become what others take for standard output."""
    import os

    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _has_library() -> bool:
    """Whether torch's library is loaded, by whoever computed with it or for copies of us."""
    preload = sys.modules.get("ckptdoctor.scanning.preload")
    is_preloaded = preload is not None and preload.is_preloaded()
    return is_preloaded or "ckptdoctor.scanning.libtorch" in sys.modules


def _leave(code: int) -> NoReturn:
    """Exit at once: tearing torch's library down takes longer than many a scan."""
    import atexit
    import contextlib
    import os

    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed by the caller
            continue
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    atexit._run_exitfuncs()  # noqa: SLF001  (what sys.exit would have run)
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code, whatever happens."""
    import gc

    gc.disable()  # a short life: collecting costs a tenth of reading 20,000 tensors
    try:
        if _is_nowhere(arguments):
            if sys.stderr is not None:
                sys.stderr.write(_NOWHERE)
            return _USAGE
        if arguments and arguments[0] in _ANSWERED_AGAIN:
            from ckptdoctor.cli.answers import answered

            code = answered(arguments, lambda: _work(arguments))
        else:
            code = _work(arguments)
        # The parser catches Ctrl-C itself, and gives a number; a command gives one of its exits.
        return _stopped() if code == _INTERRUPTED and type(code) is int else code
    except KeyboardInterrupt:
        return _stopped()
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        if _is_abort(error):
            if not isinstance(error.__cause__, EOFError):
                return _stopped()
            error = error.__cause__  # a bug: nothing is ever asked that input could end on
        from ckptdoctor.cli.failures import failed

        return failed(error)


def _is_nowhere(arguments: list[str]) -> bool:
    """Whether a command that reads files was started in a folder that is gone by now.

    What a path means there nobody knows, and a library of torch ends the program.
    """
    import os

    if not arguments or arguments[0].startswith("-") or arguments[0] == "explain":
        return False
    try:
        os.getcwd()  # noqa: PTH109  (pathlib takes long to import)
    except FileNotFoundError:
        return True
    return False


def _work(arguments: list[str]) -> int:
    from ckptdoctor.cli.ahead import load_ahead

    load_ahead(arguments)
    from typer.main import get_command

    from ckptdoctor.cli.app import app
    from ckptdoctor.cli.values import take_plain_values

    command = get_command(app)
    take_plain_values(command)
    code: int = command(arguments, prog_name="ckptdoctor", standalone_mode=False) or 0
    return code


def _is_abort(error: Exception) -> bool:
    """Whether the parser gave up, as it does on Ctrl-C."""
    return type(error).__name__ == "Abort" and type(error).__module__.startswith("typer")


def _stopped() -> int:
    if sys.stderr is not None:
        sys.stderr.write("\nckptdoctor: interrupted\n")
    return _INTERRUPTED


if __name__ == "__main__":
    main()
