"""Strikes one system call of a program that writes a checkpoint, and says what is left.

A small library (``shim.c``) is loaded before libc, so that it is the real program with its real
system calls that is killed, or told that the disk is full, broken or read-only. The program is
started once, warmed up, and forks for each strike: what takes half a second takes a few
milliseconds. Needs Linux and a C compiler.
"""

from __future__ import annotations

import atexit
import ctypes
import enum
import errno
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

__all__ = ["COMPILER", "Fault", "Striker", "Struck", "digest", "leftovers", "shim"]

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
ROOT = Path(__file__).parent.parent.parent
_SECONDS = 60
_SHORT, _STAYS, _REMOVABLE, _READS = 1, 2, 4, 8


class Fault(enum.Enum):
    """What happens to the call that is struck: an errno, and the mode of the shim."""

    SIGKILL = (0, 0)
    ENOSPC = (errno.ENOSPC, 0)
    EIO = (errno.EIO, 0)
    EINTR = (errno.EINTR, 0)
    EROFS = (errno.EROFS, 0)
    EDQUOT = (errno.EDQUOT, 0)
    SHORT_WRITE = (0, _SHORT)
    STAYS_FULL = (errno.ENOSPC, _STAYS | _REMOVABLE)
    STAYS_READ_ONLY = (errno.EROFS, _STAYS)
    EIO_ON_READ = (errno.EIO, _READS)

    @property
    def kills(self) -> bool:
        """Whether the process is gone."""
        return self is Fault.SIGKILL

    @property
    def reads(self) -> bool:
        """Whether calls that read are struck, instead of those that change files."""
        return self is Fault.EIO_ON_READ

    @property
    def reason(self) -> str:
        """The system's words for it; "" for what is no error."""
        return os.strerror(self.value[0]) if self.value[0] else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """How the program ended.

    Attributes:
        code: its exit code, negative for a signal.
        calls: the names of the calls that count, in order.
        said: its standard error.
    """

    code: int
    calls: tuple[str, ...]
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the forked program is to do."""

    command: list[str]
    folder: str
    at: int
    error: int
    mode: int
    log: str
    said: str


@functools.cache
def shim() -> Path:
    """The library, compiled once."""
    folder = Path(tempfile.mkdtemp(prefix="ckptdoctor-shim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    flags = ["-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run([str(COMPILER), *flags], check=True)
    return library


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that were not removed."""
    return sorted(folder.glob(".*.tmp"))


class Striker:
    """A warm program that forks for each strike.

    Args:
        warm: a command that is run once before, so that everything is imported: ``save PATH
            EPOCH`` for ``safe_save``, anything else for the command line.
    """

    def __init__(self, warm: Sequence[str]) -> None:
        environment = os.environ | {
            "LD_PRELOAD": str(shim()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",  # a fork takes no threads along
            "PYTHONPATH": str(ROOT),
        }
        environment.pop("COVERAGE_PROCESS_CONFIG", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.strikes", *warm],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self, command: Sequence[str], folder: Path, at: int = 0, fault: Fault = Fault.SIGKILL
    ) -> Struck:
        """Run a command whose calls below ``folder`` count, and strike one; 0 to strike none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        error, mode = fault.value
        with tempfile.TemporaryDirectory() as place:
            log, said = Path(place, "calls"), Path(place, "said")
            log.touch()
            order = _Order(
                command=list(command),
                folder=str(folder),
                at=at,
                error=error,
                mode=mode,
                log=str(log),
                said=str(said),
            )
            self._process.stdin.write(json.dumps(asdict(order)) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Struck(
                code=code,
                calls=tuple(log.read_text().split()),
                said=said.read_text(errors="replace"),
            )

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=_SECONDS)
        self._process.stdout.close()


# -- in the program ------------------------------------------------------------------------------


def _serve() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _obey(_Order(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _obey(order: _Order) -> NoReturn:
    signal.alarm(_SECONDS)
    quiet = os.open(os.devnull, os.O_RDWR)
    said = os.open(order.said, os.O_WRONLY | os.O_CREAT, 0o600)
    for target, source in ((0, quiet), (1, quiet), (2, said)):
        os.dup2(source, target)
    log = os.open(order.log, os.O_WRONLY | os.O_APPEND)
    arm = ctypes.CDLL(None).shim_arm
    arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    arm(os.fsencode(order.folder), order.at, order.error, order.mode, log)
    try:
        code = _run(order.command)
    except BaseException:  # noqa: BLE001  (whatever it is, it is told)
        import traceback

        traceback.print_exc()
        code = 99
    sys.stderr.flush()
    os._exit(code)


def _run(command: Sequence[str]) -> int:
    if command[0] != "save":
        from ckptdoctor.__main__ import run

        return run(list(command))
    return _save(Path(command[1]), int(command[2]))


def _save(path: Path, epoch: int) -> int:
    """``safe_save`` as a training script would call it; 4 where it refuses."""
    import torch

    from ckptdoctor.errors import CkptDoctorError
    from ckptdoctor.guard.saving.saver import safe_save

    state = {"epoch": epoch, "weight": torch.full((3000,), float(epoch)), "bias": torch.ones(7)}
    try:
        safe_save(state, path, jobs=1)
    except (CkptDoctorError, OSError) as error:
        print(error, file=sys.stderr)
        return 4
    return 0


def _main() -> None:
    with tempfile.TemporaryFile() as said:
        keep = os.dup(2)
        os.dup2(said.fileno(), 2)
        out = os.dup(1)
        os.dup2(said.fileno(), 1)
        code = _run(sys.argv[1:])
        sys.stdout.flush()
        os.dup2(keep, 2)
        os.dup2(out, 1)
        if code != 0:
            said.seek(0)
            sys.exit(said.read().decode())
    _serve()


if __name__ == "__main__":
    _main()
