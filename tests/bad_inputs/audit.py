"""Watches the commands at work on bad files, by an audit hook, in a process of its own.

``python -m tests.bad_inputs.audit < JOBS`` where JOBS is a JSON list of :class:`Job`; prints a JSON
list of :class:`Watched`. An audit hook cannot be removed, and sees every thread.

The rule: first each command runs over sound and damaged files of every format, so that whatever
ckptdoctor imports late is imported. Then, while a file is being examined:

- nothing is imported (``import``, ``pickle.find_class``), compiled or executed (``compile``,
  ``exec``, ``code.__new__``, ``marshal.*``), except that a module of Python, of ckptdoctor, or of
  what it depends on may be imported if the bytes of the file do not contain its name;
- no process is started, no socket made, no library loaded;
- files are opened for writing, made, linked, renamed, removed only by ``restore``, and only in the
  folder that it was told to write to.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import pickle
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["COMMANDS", "UNPICKLE", "Job", "Watched", "watched"]

_EXECUTES = (
    "pickle.find_class", "exec", "compile", "code.__new__", "function.__new__", "marshal.",
)  # fmt: skip
_FORBIDDEN = (
    "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.putenv", "os.unsetenv", "pty.", "socket.", "ctypes.dlopen", "webbrowser.",
    "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "nntplib.", "telnetlib.",
    "sqlite3.", "shutil.", "builtins.input", "builtins.breakpoint", "sys.settrace",
    "sys.setprofile", "sys.unraisablehook", "ensurepip.", "winreg.", "syslog.",
)  # fmt: skip
_CHANGES = (
    "os.chmod", "os.chown", "os.link", "os.lockf", "os.mkdir", "os.remove", "os.removexattr",
    "os.rename", "os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime",
    "tempfile.mkstemp", "tempfile.mkdtemp",
)  # fmt: skip
# What typer and ckptdoctor do themselves, whatever the file: a variable that is set for an import,
# and the program itself, opened as a library.
_OWN = (b"PYDANTIC_DISABLE_PLUGINS", None)
_OURS = ("ckptdoctor", "torch", "rich", "typer", "click", "jinja2", "psutil", "zlib_ng")
COMMANDS = ("scan", "inspect", "rank", "dry run", "restore")
UNPICKLE = "unpickle"  # no command: what others do, so that the watch has something to see


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to be examined, the folder that ``restore`` may write to, and what must not appear."""

    name: str
    path: str
    out: str
    canary: str
    commands: tuple[str, ...] = COMMANDS


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen while one file was examined.

    Attributes:
        name: of the job.
        seen: events that must not be, with the command.
        imported: modules that were imported, all of them allowed.
        exits: exit code of each command; -1 for one that raised.
        codes: of the findings that ``scan`` reports.
        changed: whether the source is not what it was, in bytes or in time.
        ran: whether the canary is there.
        left: what lies in the folder of ``restore`` afterwards.
    """

    name: str
    seen: list[str] = field(default_factory=list)
    imported: list[str] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    changed: bool = False
    ran: bool = False
    left: list[str] = field(default_factory=list)


def watched(jobs: Sequence[Job], warm: Iterable[Path], timeout_s: float = 300.0) -> list[Watched]:
    """What was seen of each job, all in one process.

    Args:
        jobs: the files.
        warm: sound and damaged files on which the commands run before anything counts.
        timeout_s: for all of them.
    """
    # Without coverage: its tracer writes files of its own, and waits for itself under the hook.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    told = {"jobs": [asdict(job) for job in jobs], "warm": [str(path) for path in warm]}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bad_inputs.audit"],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**environment, **_WITHOUT_FILES, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Watched(**one) for one in json.loads(done.stdout)]


_WITHOUT_FILES = {"PYTHONDONTWRITEBYTECODE": "1", "CKPTDOCTOR_NO_CACHE": "1"}
"""Neither bytecode nor what is remembered is written: what is, comes from the file."""


def _is_own(arguments: tuple[Any, ...]) -> bool:
    return arguments[0] in _OWN or "/torch/lib/" in str(arguments[0])


# -- in the process that is watched --------------------------------------------------------------


class _Watch:
    """What the hook sees of one command."""

    def __init__(self) -> None:
        self.on = False
        self.writes_below = ""
        self.named = b""
        self.seen: list[str] = []
        self.imported: list[str] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by the interpreter for every event of every thread."""
        if not self.on:
            return
        if event == "open":
            self._opened(*arguments)
        elif event == "import":
            self._import(str(arguments[0]))
        elif event.startswith(_EXECUTES):
            if not (event in ("exec", "marshal.loads") and self._importing()):
                self._told(event, arguments)
        elif event.startswith(_FORBIDDEN):
            if not _is_own(arguments):
                self._told(event, arguments)
        elif event.startswith(_CHANGES):
            paths = [one for one in arguments if isinstance(one, str | bytes)]
            if not all(self._may_write(path) for path in paths) or not self.writes_below:
                self._told(event, arguments)

    def _told(self, event: str, arguments: tuple[Any, ...]) -> None:
        self.seen.append(f"{event} {arguments!r:.200}")

    def _opened(self, path: object, mode: object, flags: object) -> None:
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path != os.devnull and not self._may_write(path):
            self._told("open", (path, mode, flags))

    def _may_write(self, path: object) -> bool:
        if isinstance(path, int):  # a descriptor that was opened before
            return True
        below = os.path.realpath(os.path.dirname(os.fsdecode(str(path))))
        return bool(self.writes_below) and below == self.writes_below

    def _import(self, module: str) -> None:
        top = module.partition(".")[0]
        ours = top in _OURS or top in sys.stdlib_module_names
        if not ours or module.encode() in self.named:
            self._told("import", (module,))
        else:
            self.imported.append(module)

    def _importing(self) -> bool:
        """Whether an allowed import is under way in this thread: its body is executed."""
        frame = sys._getframe(2).f_back
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return True
            frame = frame.f_back
        return False


def _arguments(job: Job, command: str) -> list[str]:
    out = os.path.join(job.out, "clean.pth")
    match command:
        case "scan":
            return ["scan", job.path, "--format", "json", "--quiet"]
        case "dry run":
            return ["restore", "--from", job.path, "-o", out, "--dry-run"]
        case "restore":
            return ["restore", "--from", job.path, "-o", out]
        case "unpickle":
            return ["explain", "CD106"]
        case _:
            return [command, job.path]


def _state(path: str) -> tuple[str, int] | None:
    """Digest and time of a file of reasonable size; None for anything else."""
    try:
        status = os.stat(path)
        if not os.path.isfile(path) or status.st_size > 1 << 28:
            return None
        return hashlib.sha256(Path(path).read_bytes()).hexdigest(), status.st_mtime_ns
    except OSError:
        return None


def _bytes(path: str) -> bytes:
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(1 << 22)
    except OSError:
        return b""


def _examine(job: Job, watch: _Watch) -> Watched:
    from tests.bad_inputs.running import called

    told = Watched(name=job.name)
    before = _state(job.path)
    watch.named = _bytes(job.path)
    watch.imported = told.imported
    for command in job.commands:
        arguments = _arguments(job, command)
        watch.seen = []
        watch.writes_below = os.path.realpath(job.out) if command == "restore" else ""
        watch.on = True
        try:
            if command == UNPICKLE:
                pickle.loads(watch.named)
            code, out, _ = called(*arguments)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is told)
            watch.on = False
            watch.seen.append(f"raised {error!r:.200}")
            code, out = -1, ""
        finally:
            watch.on = False
        told.seen += [f"{command}: {event}" for event in watch.seen]
        told.exits[command] = code
        if command == "scan" and out:
            rows = json.loads(out)["checkpoints"]
            told.codes = [finding["code"] for row in rows for finding in row["findings"]]
    told.changed = _state(job.path) != before
    told.ran = os.path.exists(job.canary)
    told.left = sorted(os.listdir(job.out))
    return told


_ITS_OWN = ("ckptdoctor.guard.adapters.", "ckptdoctor.__main__")


def _main() -> None:
    import typer.main

    import ckptdoctor
    from tests.bad_inputs.running import called

    # typer evaluates the annotations of every command for every call: once, before it counts.
    typer.main.get_command = functools.cache(typer.main.get_command)
    told = json.load(sys.stdin)
    watch = _Watch()
    sys.addaudithook(watch.hook)
    for module in pkgutil.walk_packages(ckptdoctor.__path__, "ckptdoctor."):
        if not module.name.startswith(_ITS_OWN):
            importlib.import_module(module.name)  # what a file alone would have imported late
    for path in told["warm"]:
        with tempfile.TemporaryDirectory() as out:
            job = Job(name="", path=path, out=out, canary="")
            for command in COMMANDS:
                called(*_arguments(job, command))
    jobs = [Job(**{**job, "commands": tuple(job["commands"])}) for job in told["jobs"]]
    print(json.dumps([asdict(_examine(job, watch)) for job in jobs]))


if __name__ == "__main__":
    _main()
