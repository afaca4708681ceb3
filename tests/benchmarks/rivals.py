"""What other tools say of the same files.

    python -m tests.benchmarks.rivals                  installs and runs them: ten minutes
    python -m tests.benchmarks.rivals --tools FOLDER   keeps what is installed in a folder
    python -m tests.benchmarks.rivals --write          and puts the table into docs/rivals.md

Each gets an environment of its own, a copy of the files, and no file that it does not take. One
that cannot be installed here is said below the table. How an output is judged: `judged`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ckptdoctor
from tests.benchmarks.page import find_place, markdown, put
from tests.benchmarks.rivals_files import CASES, MARKER, Case, Task, make_files
from tests.benchmarks.rivals_tools import TOOLS, Tool, installed

PAGE = Path(__file__).parents[2] / "docs" / "rivals.md"
TIMEOUT_S = 300
TRACEBACK = "traceback (most recent call last)"
CANNOT = re.compile(r"failed to parse|aborted|unsupported|not supported|not loadable|no such file")
OURS = Tool(
    package="ckptdoctor",
    version=ckptdoctor.__version__,
    command=(sys.executable, "-P", "-m", "ckptdoctor", "scan", "-v"),
    tasks=frozenset(Task),
    takes=("",),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool made of a file.

    Attributes:
        code: its exit code; none where it did not end in time.
        text: all that it printed, in lower case.
        ran: whether the code in the file was run.
    """

    code: int | None
    text: str
    ran: bool

    @property
    def failed(self) -> bool:
        """Whether it ended by a traceback or a signal, or not at all."""
        return self.code is None or self.code < 0 or TRACEBACK in self.text


def judged(said: Said, twin: Said, case: Case, tasks: frozenset[Task]) -> str:
    """What an output is worth, in a word; the first that holds.

    - ran the code: the file that the code in the checkpoint makes is there afterwards.
    - cannot: already on the sound file of the same kind it fails, or says that it cannot.
    - passed, exit N: of a sound file.
    - failed: a traceback, a signal, or no end.
    - caught: a line with a word for the fault, which it does not print of the sound file.
    - refused: another exit code than for the sound file, and no such line.
    - as the sound one: neither, and the tool objects to the sound file as well.
    - no claim: neither, and it does not say of itself that it looks for such a fault.
    - missed: neither, and it does.
    """
    if said.ran:
        return "**ran the code**"
    if twin.failed or CANNOT.search(twin.text):
        return "cannot"
    if case.is_sound:
        return "passed" if said.code == 0 else f"exit {said.code}"
    if said.failed:
        return "failed"
    fault = re.compile(case.words)
    known = set(twin.text.splitlines())
    if any(fault.search(line) for line in said.text.splitlines() if line not in known):
        return "caught"
    if said.code != twin.code:
        return "refused"
    if twin.code:
        return "as the sound one"
    return "missed" if case.task in tasks else "no claim"


def ask(command: Sequence[str | Path], name: str, folder: Path) -> Said:
    """Run a command on a file, in its folder."""
    env = os.environ | {
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "HOME": str(folder),
        "CKPTDOCTOR_NO_CACHE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    marker = folder / MARKER
    marker.unlink(missing_ok=True)
    code: int | None
    try:
        done = subprocess.run(
            [*map(str, command), name],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        code, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        code, text = None, ""
    return Said(code=code, text=text.lower(), ran=marker.exists())


def column(tool: Tool, command: Sequence[str | Path], folder: Path) -> dict[str, Said]:
    """What a tool says of each file that it takes, by the file's name.

    It sees each under a name that tells nothing, alone in a folder.
    """
    found = {}
    for case in CASES:
        if not case.name.endswith(tool.takes):
            continue
        with tempfile.TemporaryDirectory() as name:
            source = folder / case.name
            place = Path(name) / f"model{source.suffix}"
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
            found[case.name] = ask(command, place.name + tool.suffix, place.parent)
    return found


def tried(tool: Tool, work: Path, folder: Path) -> dict[str, Said] | str:
    """What a tool says of a copy of the files; why it could not be installed."""
    place = installed(tool, work) if tool is not OURS else Path()
    if isinstance(place, str):
        return place
    return column(tool, [place / tool.command[0], *tool.command[1:]], folder)


def main() -> None:
    """Install, run, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--tools", type=Path, help="where they are installed, and stay")
    parser.add_argument("--only", nargs="*", help="these packages alone")
    parser.add_argument("--words", action="store_true", help="print what each said")
    asked = parser.parse_args()
    if asked.write:
        find_place(PAGE, "rivals")
    tools = [OURS, *(one for one in TOOLS if not asked.only or one.package in asked.only)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        make_files(folder)
        work = (asked.tools or Path(name) / "tools").absolute()
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda one: tried(one, work, folder), tools))
    rows, absent = [], []
    for tool, answer in zip(tools, answers, strict=True):
        if isinstance(answer, str):
            absent.append(f"{tool.package} {tool.version} could not be installed: {answer}")
            continue
        cells = [
            judged(answer[case.name], answer[case.twin], case, tool.tasks)
            if case.name in answer
            else ""
            for case in CASES
        ]
        rows.append([f"{tool.package} {tool.version}", *cells])
        if asked.words:
            for file, said in answer.items():
                print(f"=== {tool.package} {file}: exit {said.code}\n{said.text[:3000]}")
    head, *body = zip(["file", *(case.title for case in CASES)], *rows, strict=True)
    table = "\n\n".join([markdown(head, body), *absent])
    print(table)
    if asked.write:
        put(PAGE, "rivals", table)


if __name__ == "__main__":
    main()
