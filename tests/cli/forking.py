"""Processes of the command that begin where Python and the modules of the package are loaded.

Half a second of each ``python -m ckptdoctor`` goes into what is the same every time. A process of
its own, which has loaded it, made the parser and never ran a command, forks one for each: with its
own arguments, environment, folder and pipes, and its own end.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["CAN_FORK", "run_forked"]

CAN_FORK = sys.platform == "linux"
_MOST_NBYTES = 1 << 20
_TORCH = b"another, with torch"
_ITS_OWN = ("ckptdoctor.guard", "ckptdoctor.memory", "ckptdoctor.scanning.", "ckptdoctor.__main__")
"""What imports torch, and what a command looks for in ``sys.modules``."""
_THIRD = (
    *("email.message", "importlib.metadata", "pydantic", "rich.table", "zoneinfo"),
    "fsspec.implementations.http",  # and with it aiohttp
)
"""What the commands import as they go."""


def run_forked(
    arguments: Sequence[str], *, cwd: Path | None, env: Mapping[str, str], timeout_s: float
) -> tuple[int, bytes, bytes]:
    """Exit code, standard output and standard error of one command.

    Args:
        arguments: of ``ckptdoctor``.
        cwd: its folder; by default that of this process.
        env: its whole environment.
        timeout_s: how long it may take.

    Raises:
        TimeoutError: it takes longer, or somebody kills it.
    """
    server = _server(with_torch=arguments[0] in ("diff", "demo") if arguments else False)
    out, err = os.pipe(), os.pipe()
    request = json.dumps([list(arguments), os.fspath(cwd or Path.cwd()), dict(env)]).encode()
    _send(server, request, [out[1], err[1]])
    child = int(server.recv(64))
    overdue = threading.Timer(timeout_s, os.kill, (child, signal.SIGKILL))
    overdue.start()
    os.close(out[1])
    os.close(err[1])
    errors: list[bytes] = []
    with open(err[0], "rb") as stderr, open(out[0], "rb") as stdout:
        reader = threading.Thread(target=lambda: errors.append(stderr.read()))
        reader.start()
        told = stdout.read()
        reader.join()
    code = int(server.recv(64))
    overdue.cancel()
    if code == -signal.SIGKILL:
        raise TimeoutError(f"{arguments} takes more than {timeout_s:.0f} s, or was killed")
    return code, told, errors[0]


def _send(server: socket.socket, request: bytes, fds: list[int]) -> None:
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    server.sendmsg([request], [rights])


@functools.cache
def _server(*, with_torch: bool) -> socket.socket:
    """The end of a pair of sockets at whose other end commands are forked.

    Args:
        with_torch: whether torch is imported there, as ``diff`` and ``demo`` do; such a process is
            forked of the other, and ends when we do.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if with_torch:
        plain = _server(with_torch=False)
        _send(plain, _TORCH, [theirs.fileno()])
        theirs.close()
        plain.recv(64)
        return ours
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.kill()
        process.wait()

    atexit.register(end)
    return ours


# -- the other process ---------------------------------------------------------------------------


def _load() -> None:
    """What the commands import, and the library of torch; torch itself is not."""
    package = importlib.import_module("ckptdoctor")
    for found in pkgutil.walk_packages(package.__path__, "ckptdoctor."):
        if not f"{found.name}.".startswith(_ITS_OWN):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)
    from ckptdoctor.scanning import preload

    ctypes.CDLL(str(preload.library_path()))
    assert "torch" not in sys.modules
    for name in _THIRD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _make_parser()
    gc.collect()
    gc.freeze()  # what a child would copy to look at


def _make_parser() -> None:
    """Once, and not in every command: a third of what a short one takes. None has changed it."""
    import typer.main

    from ckptdoctor.cli.app import app

    parser = typer.main.get_command(app)
    typer.main.get_command = lambda typer_instance: parser


def _requests(asked: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
    while True:
        data, fds, _, _ = socket.recv_fds(asked, _MOST_NBYTES, 2)
        if not data:
            return
        yield data, fds


def _serve(asked: socket.socket) -> None:
    for data, fds in _requests(asked):
        child = os.fork()
        if not child and data == _TORCH:
            asked.close()
            importlib.import_module("torch")
            gc.freeze()
            _serve(socket.socket(fileno=fds[0]))
            return
        if not child:
            asked.close()
            _become(fds, *json.loads(data))
            runpy.run_module("ckptdoctor", run_name="__main__", alter_sys=True)
            return
        for fd in fds:
            os.close(fd)
        asked.send(b"%d" % child)
        if data == _TORCH:
            continue
        _, status = os.waitpid(child, 0)
        asked.send(b"%d" % os.waitstatus_to_exitcode(status))


def _become(fds: list[int], arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """The process that was asked for."""
    for fd, target in zip(fds, (1, 2), strict=True):
        os.dup2(fd, target)
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["ckptdoctor", *arguments]


if __name__ == "__main__":
    sys.path[0] = ""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is meant for the tests
    _load()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _serve(socket.socket(fileno=int(sys.argv[1])))
