"""The other tools, each in an environment of its own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.rivals_files import Task

__all__ = ["TOOLS", "Tool", "installed"]

INSTALL_S = 600
CONSTRAINTS = Path(__file__).parents[2] / ".ci" / "constraints.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool.

    Attributes:
        package: its name on the index.
        version: that was tried.
        command: what is typed before the name of a file.
        tasks: what it says of itself that it looks for.
        takes: the ends of the names that it is given.
        suffix: what is added to a folder's name, for a tool that takes a file in it.
        extra: what it imports and does not demand of pip.
        needs_torch: whether it is given the torch of this environment.
    """

    package: str
    version: str
    command: tuple[str, ...]
    tasks: frozenset[Task]
    takes: tuple[str, ...] = (".pth",)
    suffix: str = ""
    extra: tuple[str, ...] = ()
    needs_torch: bool = False


TOOLS = (
    Tool(
        package="model-clinic",
        version="0.4.2",
        command=("model-clinic", "exam"),
        tasks=frozenset({Task.VALUES}),
        takes=(".pth", ".safetensors"),
        extra=("safetensors",),
        needs_torch=True,
    ),
    Tool(
        package="weightlens",
        version="0.3.0",
        command=("lens", "analyze"),
        tasks=frozenset({Task.VALUES, Task.DAMAGE}),
        takes=(".pth", ".safetensors"),
        needs_torch=True,
    ),
    Tool(
        package="sft-cli",
        version="0.2.2",
        command=("sft", "check"),
        tasks=frozenset({Task.VALUES, Task.DAMAGE}),
        takes=(".safetensors",),
    ),
    Tool(
        package="ckptkit",
        version="0.3.0",
        command=("ckptkit", "validate"),
        tasks=frozenset({Task.VALUES, Task.DAMAGE}),
        takes=(".pth", ".safetensors", "shards", "lacking"),
        extra=("ckptkit[cli]",),
        needs_torch=True,
    ),
    Tool(
        package="checkpoint-lens",
        version="0.1.2",
        command=("checkpoint-lens", "inspect"),
        tasks=frozenset(),
        needs_torch=True,
    ),
    Tool(
        package="finetune-doctor",
        version="0.2.2",
        command=("finetune-doctor",),
        tasks=frozenset({Task.RUN}),
        takes=("run",),
    ),
    Tool(
        package="losslint",
        version="0.4.1",
        command=("losslint", "check"),
        tasks=frozenset({Task.RUN}),
        takes=("run",),
        suffix="/trainer_state.json",
    ),
    Tool(
        package="picklescan",
        version="1.0.5",
        command=("picklescan", "-p"),
        tasks=frozenset({Task.CODE}),
    ),
    Tool(
        package="fickling",
        version="0.1.12",
        command=("fickling", "--check-safety", "--print-results"),
        tasks=frozenset({Task.CODE}),
        extra=("typing-extensions",),
    ),
    Tool(
        package="modelscan",
        version="0.8.8",
        command=("modelscan", "-p"),
        tasks=frozenset({Task.CODE}),
    ),
)


def _with_what_it_needs(name: str) -> Iterator[importlib.metadata.Distribution]:
    """A package of this environment and all that it demands, each once."""
    seen, todo = set(), [name]
    while todo:
        at = todo.pop().lower()
        if at in seen:
            continue
        seen.add(at)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.distribution(at)
            yield found
            demanded = (one for one in found.requires or () if "extra ==" not in one)
            todo += [word[0] for one in demanded if (word := re.match(r"[\w.-]+", one))]


def _lend(name: str, site: Path) -> None:
    """Put a package of this environment into another, as hard links where the disk has them.

    torch is 800 MB; a path to ours would also lend whatever else lies beside it.
    """
    for distribution in _with_what_it_needs(name):
        for file in distribution.files or ():
            if file.parts[0] == ".." or "__pycache__" in file.parts or "include" in file.parts:
                continue
            source, place = Path(str(file.locate())), site / file
            if not source.is_file():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except OSError:
                shutil.copy2(source, place)


def installed(tool: Tool, work: Path) -> Path | str:
    """The folder of a tool's programs; why not, where it cannot be installed here.

    One that was installed into the folder before is taken as it is.
    """
    place = work / tool.package
    done = place / "installed"
    if done.is_file():
        return place / "bin"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", place], check=True)
    python = place / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    if tool.needs_torch:
        _lend("torch", Path(site))
    words = ["-q", "--no-compile", "--disable-pip-version-check"]
    if tool.needs_torch:
        words += ["-c", str(CONSTRAINTS)]
    wanted = [f"{tool.package}=={tool.version}", *tool.extra]
    try:
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install", *words, *wanted],
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"pip did not end within {INSTALL_S} s"
    if pip.returncode:
        return (pip.stderr.strip().splitlines() or ["pip failed"])[-1]
    done.touch()
    return place / "bin"
