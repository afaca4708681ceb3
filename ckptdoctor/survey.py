"""From what was found to the ranked report: what the command and the Python API share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.cache.memory import Memory
from ckptdoctor.diagnose import Examination, examine, judge_history
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Finding, SetAside
from ckptdoctor.formats import Repeats
from ckptdoctor.histories import History, LogFacts
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifests import Manifests
from ckptdoctor.measure import described
from ckptdoctor.metadata import read_metadata
from ckptdoctor.recovery import ranked
from ckptdoctor.recovery.next_step import Asked, same_question
from ckptdoctor.report import Crash, Report, RunReport, findings_of
from ckptdoctor.runs.absent import why_absent
from ckptdoctor.runs.discover import CHECKPOINT_SUFFIXES, Discovery, discover
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.logs import is_log, logs_in
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.metric import refuse_what_is_not_there
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from ckptdoctor.shell import command_line
from ckptdoctor.sources.descriptors import is_far, trouble_of

__all__ = ["Chronicles", "chronicles", "survey", "why_nothing", "with_next"]


def survey(found: Discovery, how: Examination | None = None, wish: Wish | None = None) -> Report:
    """The report on every file found, run by run, ranked; one that is missing gets a finding too.

    Args:
        found: at least one file.
        how: options.
        wish: what the user says of the metric and of the logs.

    Raises:
        OSError: a log that the user named cannot be read.
        UsageError: no run has the metric that the user names.
    """
    wish = wish or Wish()
    files: list[Path | CheckpointFiles] = [*found.checkpoints, *found.missing]
    report = examine(files, how, wish, one_by_one=found.one_by_one, pointers=found.pointers)
    return ranked(report, Asked(paths=tuple(found.paths), wish=wish))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicles:
    """Runs over their time.

    Attributes:
        runs: those of which anything is known, the one with the most points first.
        findings: what the rules say of them, worst first.
        notes: what was not understood, or not believed, a sentence each.
        readings: how the logs were read, those of runs of which nothing is known among them.
        crashes: our own bugs.
        settings: the file that the user's settings were read from; "" where there is none.
    """

    runs: tuple[RunReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    readings: tuple[LogFacts, ...] = ()
    crashes: tuple[Crash, ...] = ()
    settings: str = ""

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """The findings that the user wants neither shown nor counted."""
        return tuple(one for run in self.runs for one in run.set_aside)

    @property
    def histories(self) -> tuple[History, ...]:
        """The metric of each run over its time."""
        return tuple(run.history for run in self.runs)


def chronicles(paths: Sequence[Path], wish: Wish, memory: Memory | None = None) -> Chronicles:
    """The metric over the time of every run that the paths name, without scanning a tensor.

    Args:
        paths: checkpoints, folders of checkpoints or of logs, logs; none for the usual places.
        wish: what the user says of the metric and of the logs.
        memory: asked before a checkpoint is opened; None to open each.

    Raises:
        OSError: a log that the user named cannot be read.
        UsageError: no run has the metric that the user names.
    """
    asked = Asked(paths=tuple(paths), wish=wish)
    named = [path for path in paths if path.is_file() and _is_named_log(path)]
    others = [path for path in paths if path not in named]
    wish = replace(wish, logs=(*wish.logs, *named))
    found = discover(others) if others or not wish.logs else Discovery()
    formed = form_runs(
        _headers(found.checkpoints, memory), wish, one_by_one=found.one_by_one, empty=found.empty
    )
    refuse_what_is_not_there([run.choice for run in formed.runs], wish)
    known = sorted(
        (run for run in formed.runs if run.history.points or run.history.alarms), key=_longest_first
    )
    reports, crashes = judge_history(known)
    return Chronicles(
        runs=tuple(with_next(run, asked, several=len(reports) > 1) for run in reports),
        findings=findings_of(reports),
        notes=(*_missing(found), *notes_of(formed)),
        readings=tuple(log for run in formed.runs for log in run.history.readings),
        crashes=tuple(crashes),
    )


def with_next(run: RunReport, asked: Asked, *, several: bool) -> RunReport:
    """The report with the command to go on with, where something went wrong."""
    if not run.findings:
        return run
    words = same_question(run, asked, several=several)
    return replace(run, next=command_line("ckptdoctor", "plan", *words))


def _is_named_log(path: Path) -> bool:
    """Whether a file that the user names is a log: whatever no checkpoint is called."""
    return is_log(path) or not path.name.lower().endswith(CHECKPOINT_SUFFIXES)


def _missing(found: Discovery) -> Iterator[str]:
    return map(why_absent, found.missing)


def _longest_first(run: Run) -> int:
    return -len(run.history.points)


def _headers(found: Sequence[CheckpointFiles], memory: Memory | None) -> list[Member]:
    """The checkpoints without a look at their tensors; those that cannot be read are left out."""
    members: list[Member] = []
    layouts: dict[Layout, Layout] = {}
    repeats, manifests = Repeats(), Manifests()
    for files in found:
        with contextlib.suppress(CheckpointError, OSError):
            checkpoint = described(files, memory, repeats)
            data = read_metadata(checkpoint)
            member = Member.of(checkpoint, {}, data, layouts, manifests.restored_from(files.path))
            members.append(replace(member, is_folder=files.is_folder))
    return members


def why_nothing(found: Discovery) -> Iterator[str]:
    """Why there is nothing to examine, a sentence a path."""
    yield from _missing(found)
    for folder in found.empty:
        where = "the current folder" if folder == Path() else str(folder)
        if (trouble := trouble_of(folder)) is not None:
            yield f"{where}: {trouble.strerror or trouble}"
            continue
        yield f"{where}: no checkpoint in it (.pth, .pt, .ckpt, .bin, .safetensors, ...)"
        logs = [] if is_far(folder) else logs_in(folder)
        if logs:
            what = "a log" if len(logs) == 1 else f"{len(logs)} logs"
            command = command_line("ckptdoctor", "history", logs[0])
            yield f"{where}: there is {what} in it; what that tells of the run:  {command}"
