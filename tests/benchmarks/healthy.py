"""How often healthy checkpoints are called anything else: a false alarm is a warning or an error.

    python -m tests.benchmarks.healthy                       with the torch that is installed here
    python -m tests.benchmarks.healthy --python OLD/bin/python --python NEW/bin/python
    python -m tests.benchmarks.healthy --quick               a share of the files
    python -m tests.benchmarks.healthy --write               and puts the table into the docs

Each interpreter writes its own files with its own torch (`healthy_writer.py`). They are scanned
three times: a whole tree with the command, as a user does, each folder alone, and each file alone.
Files that hold no weights of a model have to be called suspect, with no more than a note; all
others have to be called healthy. Exit code 1 where anything was not.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ckptdoctor
from ckptdoctor.render.machine.as_json import scan_json
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

__all__ = ["Alarm", "Row", "by_function", "judge_folder", "main", "note", "table_of"]

ROOT = Path(__file__).parents[2]
HEAD = ("torch", "layout", "files", "warnings", "errors", "not healthy")


@dataclass(frozen=True)
class Alarm:
    """One finding that a healthy file does not deserve."""

    severity: str
    code: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.where}: {self.message}"


@dataclass
class Row:
    """What became of the files of one torch in one layout.

    Attributes:
        torch: the version that wrote them.
        layout: the folder they lie in.
        files: how many were examined.
        alarms: each once, however often it was scanned.
        unhealthy: files with another verdict than they deserve.
        exits: exit codes of the command other than 0.
    """

    torch: str
    layout: str
    files: int = 0
    alarms: set[Alarm] = field(default_factory=set)
    unhealthy: set[str] = field(default_factory=set)
    exits: list[int] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        """Whether there was no false alarm."""
        return self.files > 0 and not self.alarms and not self.unhealthy and not self.exits

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        counts = Counter(alarm.severity for alarm in self.alarms)
        figures = (self.files, counts["warning"], counts["error"], len(self.unhealthy))
        return (self.torch, self.layout, *(f"{figure:,}" for figure in figures))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 where no file was called less than healthy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a share of the files")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--python", action="append", metavar="PATH", help="one with another torch")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files here")
    options = parser.parse_args(arguments)
    if options.write:
        find_place(RELIABILITY, "healthy")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for number, python in enumerate(options.python or [sys.executable]):
            tree = folder / f"torch-{number}"
            version = write_files(python, tree, quick=options.quick)
            rows += [judge_folder(version, path) for path in sorted(tree.iterdir())]
    table = table_of(rows)
    print(table)
    for alarm in sorted({str(alarm) for row in rows for alarm in row.alarms}):
        print(alarm)
    if options.write:
        put(RELIABILITY, "healthy", table)
    return 0 if all(row.is_silent for row in rows) else 1


def write_files(python: str, folder: Path, *, quick: bool) -> str:
    """The version of torch that has filled the folder."""
    command = [python, "-m", "tests.benchmarks.healthy_writer", str(folder)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=ROOT,
        env=one_thread,
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    for what, why in said["impossible"].items():
        print(f"torch {said['torch']} cannot make {what}: {why}", file=sys.stderr)
    return str(said["torch"])


# -- scanning ------------------------------------------------------------------------------------


def judge_folder(version: str, folder: Path) -> Row:
    """All that is said of the files below a folder: together, folder by folder, and one by one."""
    row = Row(version, folder.name)
    code, report = by_command(folder)
    if code:
        row.exits.append(code)
    files = note(row, folder, report)
    row.files = len(files)
    for part in (*sorted({file.parent for file in files}), *files):
        note(row, folder, by_function(part))
    return row


def by_command(folder: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of ``ckptdoctor scan``."""
    command = [sys.executable, "-m", "ckptdoctor", "scan", str(folder)]
    done = subprocess.run(
        [*command, "--format", "json", "--fail-on", "warning", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr[-2000:]}") from error


def by_function(path: Path) -> dict[str, Any]:
    """The same of one folder or file, without a process of its own."""
    report: dict[str, Any] = json.loads(scan_json(ckptdoctor.scan(path)))
    return report


def note(row: Row, root: Path, report: dict[str, Any]) -> list[Path]:
    """The files that a report is about, after what it says of them was added to the row."""
    for checkpoint in report["checkpoints"]:
        where = str(Path(checkpoint["path"]).relative_to(root))
        row.alarms.update(_alarms(where, checkpoint["findings"]))
        if checkpoint["verdict"] != ("suspect" if _is_without_weights(where) else "healthy"):
            row.unhealthy.add(where)
    folders = {str(Path(one["path"]).relative_to(root).parent) for one in report["checkpoints"]}
    where = min(folders) if len(folders) == 1 else "all together"
    row.alarms.update(_alarms(where, report["findings"]))
    return [Path(checkpoint["path"]) for checkpoint in report["checkpoints"]]


# What frameworks lay beside the weights, and what some habits save that is no model.
_WITHOUT_WEIGHTS = """
    */optimizer.* */scheduler.* */scaler.* */rng_state* */random_states* *_optim_states.*
    meant/plateau.* beside/text-only.* beside/whitening.* beside/rng-alone.* layouts/nothing.*
    dtypes/uint* dtypes/bool.*
""".split()


def _is_without_weights(where: str) -> bool:
    return any(fnmatch.fnmatchcase(where, pattern) for pattern in _WITHOUT_WEIGHTS)


def _alarms(where: str, findings: Iterable[dict[str, Any]]) -> Iterator[Alarm]:
    for finding in findings:
        if finding["severity"] != "info":
            said = f"{finding['subject']}: {finding['message']}"
            yield Alarm(finding["severity"], finding["code"], where, said)


# -- the table -----------------------------------------------------------------------------------


def table_of(rows: Sequence[Row]) -> str:
    """The table, with a row for all of them."""
    every = Row("all", "")
    for row in rows:
        every.files += row.files
    cells = [row.cells() for row in rows]
    sums = [sum(int(one[at].replace(",", "")) for one in cells) for at in range(2, len(HEAD))]
    cells.append(("all", "", *(f"{figure:,}" for figure in sums)))
    return markdown(HEAD, cells)


if __name__ == "__main__":
    sys.exit(main())
