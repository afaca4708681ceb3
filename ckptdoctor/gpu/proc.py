"""Processes as Linux shows them under /proc; elsewhere nothing is known, and that is said."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.gpu.report import ProcessState
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Seen", "ancestors", "cuda_pids", "look_at"]

PROC = Path("/proc")
_STATES = {
    "R": ProcessState.RUNNING,
    "S": ProcessState.SLEEPING,
    "I": ProcessState.SLEEPING,
    "D": ProcessState.BLOCKED,
    "T": ProcessState.STOPPED,
    "t": ProcessState.STOPPED,
    "Z": ProcessState.ZOMBIE,
    "X": ProcessState.ZOMBIE,
}
_KERNELS = ("ipykernel_launcher", "ipykernel", "colab_kernel_launcher")
_GPU_NODES = ("/dev/nvidia", "/dev/nvhost", "/dev/nvmap", "/dev/dxg", "/dev/dri/")  # Jetson, WSL
_GPU_NODE = re.compile(r"/dev/nvidia(\d+)")
_CUDA_NODE = "/dev/nvidia-uvm"
_MAX_ANCESTORS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A process of this system at one moment.

    Attributes:
        name: program and script; the name that the system keeps where there is no command line.
        uid: of its owner; None if unknown.
        user: of its owner, by name or number.
        state: by the system.
        parent: its parent's pid.
        cpu_s: processor time that it has used, in seconds.
        is_notebook: whether it is a notebook's kernel.
        gpus: the numbers of the devices ``/dev/nvidiaN`` that it has open.
        opens_gpu: whether it has any GPU open; None if not allowed to see.
        has_cuda: whether it has the device open that every CUDA context needs.
    """

    name: str = ""
    uid: int | None = None
    user: str = ""
    state: ProcessState = ProcessState.UNKNOWN
    parent: int | None = None
    cpu_s: float | None = None
    is_notebook: bool = False
    gpus: frozenset[int] = frozenset()
    opens_gpu: bool | None = None
    has_cuda: bool = False


def look_at(pid: int) -> Seen | None:
    """What is known of a process; None where there is none of this number."""
    folder = PROC / str(pid)
    try:
        text = (folder / "stat").read_text(errors="surrogateescape")
        uid = folder.stat().st_uid
    except (OSError, ValueError):
        return None
    # The name stands in brackets and may hold some itself: what follows the last one is ours.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if len(fields) < 13:
        return None
    words = _command_line(folder)
    opened = _devices(folder)
    return Seen(
        name=_name(words) or head.partition("(")[2],
        uid=uid,
        user=_user(uid),
        state=_STATES.get(fields[0], ProcessState.UNKNOWN),
        parent=int(fields[1]),
        cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        is_notebook=any(Path(word).stem in _KERNELS for word in words[1:4]),
        gpus=frozenset(
            int(match[1]) for name in opened or () if (match := _GPU_NODE.fullmatch(name))
        ),
        opens_gpu=None if opened is None else bool(opened),
        has_cuda=_CUDA_NODE in (opened or ()),
    )


def _command_line(folder: Path) -> list[str]:
    try:
        text = (folder / "cmdline").read_text(errors="surrogateescape")
    except OSError:
        return []
    return text.rstrip("\0").split("\0") if text.strip("\0") else []


def _name(words: list[str]) -> str:
    """``python train.py``: the program, and what it runs if it is an interpreter."""
    if not words:
        return ""
    program = Path(words[0]).name
    if not program.startswith(("python", "pypy")):
        return program
    rest = iter(words[1:])
    for word in rest:
        if word == "-m":
            return f"{program} -m {next(rest, '')}".rstrip()
        if word in ("-X", "-W"):
            next(rest, None)
        elif word.startswith("-c"):
            return f"{program} -c"  # the code itself is nobody's business
        elif not word.startswith("-"):
            return f"{program} {Path(word).name}"
    return program


def _user(uid: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def _devices(folder: Path) -> frozenset[str] | None:
    """The device files of GPUs that a process has open; None if not allowed to see."""
    try:
        return frozenset(link for link in _links(folder / "fd") if link.startswith(_GPU_NODES))
    except OSError:
        return None


def _links(folder: Path) -> Iterator[str]:
    for name in os.listdir(folder):  # noqa: PTH208  (a Path for every descriptor is slow)
        try:
            yield os.readlink(folder / name)  # noqa: PTH115
        except FileNotFoundError:  # closed since
            continue


def cuda_pids() -> Iterator[int]:
    """Every process seen here that has a CUDA context.

    In a container the driver often lists none: it counts in the numbers of the host.
    """
    try:
        names = os.listdir(PROC)  # noqa: PTH208
    except OSError:
        return
    for name in names:
        if name.isdecimal() and _CUDA_NODE in (_devices(PROC / name) or ()):
            yield int(name)


def ancestors(pid: int) -> frozenset[int]:
    """The process that started this one, the one that started that, and so on."""
    found: list[int] = []
    while len(found) < _MAX_ANCESTORS:
        seen = look_at(pid)
        if seen is None or not seen.parent or seen.parent in found:
            break
        pid = seen.parent
        found.append(pid)
    return frozenset(found)
