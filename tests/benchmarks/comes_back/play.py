"""One case from its death to its restart, by the commands that a person would type."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.comes_back import oracle, training
from tests.benchmarks.comes_back.case import Case
from tests.benchmarks.comes_back.faults import VARIABLE

__all__ = ["LIVED", "TWIN_DIED", "Outcome", "Stage", "run_here"]

ROOT = Path(__file__).parents[3]
SCRIPT = """import sys

from tests.benchmarks.comes_back.training import main

main(sys.argv[1:])
"""
_PATIENCE = 6
TWIN_DIED = "its healthy twin died"
LIVED = "did not die"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a case with one seed.

    Attributes:
        died: the onset of the death; None where the run did not die, which spoils the case.
        healthy: end score of the twin.
        best: the best sound file before the onset, by evaluation.
        resumed: the file that the script was given, with its worth.
        within: by how much a file may be worse than the best and still be the right one.
        command: option A.
        factor, reason: of the learning rate, as planned.
        seen: rate behind the restart, as a multiple of that of the same epoch before it.
        exit: of the command.
        end: end score of the restart; NaN where there is none.
        again: how it died again.
        alarm: epochs from the onset to the first alarm; None where there was none.
    """

    case: Case
    seed: int
    died: int | None = None
    healthy: float = math.nan
    best: float = math.nan
    resumed: oracle.SavedFile | None = None
    within: float = 0.0
    command: str = ""
    factor: float | None = None
    reason: str = ""
    seen: float = math.nan
    exit: int | None = None
    end: float = math.nan
    again: str = ""
    alarm: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_right_file(self) -> bool:
        """Whether it went on from the best sound file, within the noise, or from as good a one."""
        if self.resumed is None or self.died is None or self.resumed.epoch >= self.died:
            return False
        worth = oracle.higher(self.case.learns, self.resumed.score)
        return worth >= oracle.higher(self.case.learns, self.best) - self.within

    @property
    def is_strict(self) -> bool:
        """Whether the script took what it was given and ran to its last epoch."""
        return self.exit == 0 and self.resumed is not None

    @property
    def is_back(self) -> bool:
        """Whether it ended where its healthy twin did, or less than 0.01 below."""
        end = oracle.higher(self.case.learns, self.end)
        return self.is_strict and end >= oracle.higher(self.case.learns, self.healthy) - oracle.BACK


def run_here(folder: Path, line: str, *, fault: str = "", stop: int | None = None) -> int:
    """Exit code of a training in a child of this process, which need not import torch again."""
    child = multiprocessing.get_context("fork").Process(
        target=_train, args=(folder, shlex.split(line), fault, stop)
    )
    child.start()
    child.join()
    return child.exitcode or 0


def _train(folder: Path, arguments: Sequence[str], fault: str, stop: int | None) -> None:
    os.chdir(folder)
    os.environ[VARIABLE] = fault
    if stop is not None:
        os.environ[training.STOP] = str(stop)
    sys.argv[1:] = arguments
    sys.stderr = (folder / "stderr.txt").open("a", encoding="utf-8")
    training.main(arguments)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A folder in which cases are played; twins that two cases share are trained once."""

    folder: Path
    twins: dict[str, list[oracle.Line]] = field(default_factory=dict)

    def play(self, case: Case, seed: int, *, hints: Sequence[str] = ()) -> Outcome:
        """From the first epoch to the verdict."""
        outcome = Outcome(case=case, seed=seed)
        here = self.folder / f"{case.name}-{seed}"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        (here / "train.py").write_text(SCRIPT, encoding="utf-8")
        twin = self.twin(case, seed)
        outcome.healthy = oracle.end_score(case.learns, twin)
        if not math.isfinite(outcome.healthy):
            outcome.notes.append(TWIN_DIED)
            return outcome
        lines = self.die(case, seed, here)
        onset = oracle.onset(case.learns, lines, outcome.healthy)
        outcome.died = case.struck or onset
        if outcome.died is None or (onset is None and not case.cuts):
            outcome.notes.append(LIVED)
            return outcome
        files = oracle.evaluate(here / "checkpoints", case.learns, seed)
        sound = [one.score for one in files if -1 < one.epoch < outcome.died]
        outcome.best = max(sound, key=lambda score: oracle.higher(case.learns, score), default=0.0)
        outcome.within = oracle.noise(twin, outcome.died)
        begun = max(outcome.died, case.stage + 1)  # before the resume it was its healthy twin
        outcome.alarm = None if case.cuts else first_alarm(here, begun)
        self.ask(outcome, here, hints)
        if outcome.command:
            self.restart(outcome, here, lines)
        return outcome

    def twin(self, case: Case, seed: int) -> list[oracle.Line]:
        """The same training without the cause."""
        line = f"{case.healthy} --seed {seed} --save-dir checkpoints --save-every 100"
        if line not in self.twins:
            here = Path(tempfile.mkdtemp(prefix="twin-", dir=self.folder))
            run_here(here, line)
            self.twins[line] = oracle.read_log(here / "checkpoints/train.log", case.learns.metric)
        return self.twins[line]

    def die(self, case: Case, seed: int, here: Path) -> list[oracle.Line]:
        """Train until the last epoch, dead or not."""
        if case.stage:
            first = f"{case.healthy} --seed {seed} --save-dir checkpoints"
            run_here(here, first, stop=case.stage)
        run_here(here, case.arguments(seed), fault=case.fault)
        return oracle.read_log(here / "checkpoints/train.log", case.learns.metric)

    def ask(self, outcome: Outcome, here: Path, hints: Sequence[str]) -> None:
        """Have the restart planned."""
        ckptdoctor(here, "scan", "checkpoints", "--format", "json")
        command = f"python train.py {outcome.case.arguments(outcome.seed)}"
        extra = [*hints, *shlex.split(outcome.case.told)]
        said = ckptdoctor(here, "plan", "checkpoints", "--command", command, *extra, "-f", "json")
        try:
            plan: dict[str, Any] = json.loads(said.stdout)
        except ValueError:
            outcome.notes.append(f"no plan, exit {said.returncode}: {said.stderr.strip()[-200:]}")
            return
        found = [option for option in plan["options"] if option["name"] == "A"]
        if not found:
            outcome.notes.append("no option A")
            return
        outcome.command = found[0]["command"]
        rate = plan.get("learning_rate") or {}
        outcome.factor = rate.get("factor")
        outcome.reason = "; ".join(rate.get("reasons", []))

    def restart(self, outcome: Outcome, here: Path, before: list[oracle.Line]) -> None:
        """Run option A to the letter, and see what it comes to."""
        case = outcome.case
        done = shell(here, outcome.command)
        outcome.exit = done.returncode
        folder = resumed_folder(here)
        if folder is None:
            outcome.notes.append((done.stderr.strip().splitlines() or ["no new folder"])[-1][-200:])
            return
        log = folder / "train.log"
        after = oracle.read_log(log, case.learns.metric)
        given = re.search(r"^resumed from (.*)$", log.read_text(encoding="utf-8"), re.MULTILINE)
        if given:
            outcome.resumed = oracle.evaluate_one(here / given[1], case.learns, outcome.seed)
        if not after:
            return
        outcome.end = oracle.end_score(case.learns, after)
        rates = {one.epoch: one.rate for one in before}
        both = [one.rate / rates[one.epoch] for one in after if rates.get(one.epoch)]
        outcome.seen = statistics.median(both) if both else math.nan
        if not outcome.is_back:
            outcome.again = told(outcome, after)


def told(outcome: Outcome, after: list[oracle.Line]) -> str:
    """How a restart failed."""
    onset = oracle.onset(outcome.case.learns, after, outcome.healthy)
    if onset is None:
        return "falls short"
    learns = outcome.case.learns
    least = oracle.higher(learns, outcome.healthy) * (0.5 if learns.higher_is_better else 2)
    if all(oracle.higher(learns, one.score) < least for one in after):
        onset = after[0].epoch
    line = next(one for one in after if one.epoch == onset)
    what = "NaN" if math.isnan(line.score) else f"{line.score:.3g}"
    return f"dies at {onset} ({what}, lr {line.rate:.3g})"


def first_alarm(here: Path, onset: int) -> int | None:
    """Epochs from the onset until ``history`` warns of a log that ends there; -1 before it."""
    lines = (here / "checkpoints/train.log").read_text(encoding="utf-8").splitlines()
    numbers = [int(m[1]) if (m := re.match(r"Epoch (\d+):", line)) else 0 for line in lines]
    for epoch in range(onset - 1, min(onset + _PATIENCE, max(numbers)) + 1):
        end = max(at for at, number in enumerate(numbers) if number == epoch) + 1
        part = here / "part.log"
        part.write_text("\n".join(lines[:end]) + "\n", encoding="utf-8")
        if ckptdoctor(here, "history", part.name, "--fail-on", "warning", "-q").returncode == 1:
            return epoch - onset
    return None


def resumed_folder(here: Path) -> Path | None:
    """Where the restart wrote its log; None where it did not come that far."""
    logs = [log for log in here.glob("*/train.log") if log.parent.name != "checkpoints"]
    return logs[0].parent if logs else None


def ckptdoctor(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as installed."""
    return shell(here, shlex.join(["ckptdoctor", *arguments]))


def shell(here: Path, command: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a command."""
    ways = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    known = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment = {**known, "PATH": ways, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
