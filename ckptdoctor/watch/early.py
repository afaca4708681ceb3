"""A module that leaves its past, told with the checkpoint that shows it, ahead of the metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ckptdoctor.finding import Finding
from ckptdoctor.rules.leaving import ModuleLeavesPast
from ckptdoctor.runs.families import name_of, run_folder
from ckptdoctor.runs.run import Run

__all__ = ["EarlyWarning", "Series", "series_of"]

Series = tuple[Path, tuple[str, ...]]
"""A folder, and the words that the names of a run share in it."""

_MOST = 24
"""Checkpoints whose samples are kept: what is older says little of what is usual."""


def series_of(path: Path) -> Series:
    """What the checkpoints of a run have in common."""
    return run_folder(path), name_of(path).series


class EarlyWarning:
    """Keeps what a scan said of the checkpoints of a run, and judges each new one by it."""

    def __init__(self) -> None:
        self._runs: dict[Series, Run] = {}
        self._told: set[str] = set()

    def begin(self, runs: Iterable[Run]) -> None:
        """What is there when the watch begins; what is wrong with it is told elsewhere."""
        for run in runs:
            if not run.saved:
                continue
            self._runs[series_of(run.saved[-1].path)] = _shortened(run)
            self._told |= {one.subject for one in ModuleLeavesPast().check_run(run, ())}

    def look(self, path: Path, among: Iterable[Run]) -> Iterator[Finding]:
        """What is new with a checkpoint.

        Args:
            path: the checkpoint.
            among: the runs of an examination that it was part of.
        """
        member = next((one for run in among for one in run.members if one.path == path), None)
        key = series_of(path)
        if member is None or not name_of(path).numbers:
            return
        known = self._runs.get(key, Run(folder=key[0]))
        before = [one for one in known.members if one.path != path]
        run = _shortened(
            replace(known, members=(*before, member), placed=len(before) + 1), most=_MOST
        )
        self._runs[key] = run
        for finding in ModuleLeavesPast().check_run(run, ()):
            is_new = finding.evidence["checkpoint"] == path.name
            if is_new and finding.subject not in self._told:
                self._told.add(finding.subject)
                yield finding


def _shortened(run: Run, most: int = _MOST) -> Run:
    members = tuple(run.saved[-most:])
    return replace(run, members=members, placed=len(members))
