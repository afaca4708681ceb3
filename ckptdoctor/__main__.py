"""The program: ``ckptdoctor`` and ``python -m ckptdoctor``."""

from __future__ import annotations

import sys
import traceback

__all__ = ["main"]

_BUG = 70
_INTERRUPTED = 130
_USAGE = 2
_NOTHING = 3


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code, whatever happens."""
    import gc

    from ckptdoctor.cli.app import app

    gc.disable()  # a short life: collecting costs a tenth of reading 20,000 tensors
    try:
        return int(app(arguments, prog_name="ckptdoctor", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        return _stopped()
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        return _failed(error)


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
    if isinstance(error, OSError):
        sys.stderr.write(f"ckptdoctor: {error}\n")
        return _NOTHING
    from ckptdoctor.errors import UsageError

    if isinstance(error, UsageError):
        sys.stderr.write(f"ckptdoctor: {error}\n")
        return _USAGE
    traceback.print_exc()
    sys.stderr.write("ckptdoctor: this is our bug, not your checkpoint's; please report it\n")
    return _BUG


if __name__ == "__main__":
    main()
