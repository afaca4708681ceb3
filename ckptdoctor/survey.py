"""From what was found to the ranked report: what the command and the Python API share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.diagnose import Examination, examine, judge_history
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Finding
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.history import History
from ckptdoctor.metadata import read_metadata
from ckptdoctor.recovery import with_last_good
from ckptdoctor.report import Crash, Report
from ckptdoctor.runs.chronicle import Entry
from ckptdoctor.runs.discover import Discovery, discover
from ckptdoctor.runs.join import Wish, history_of_logs, join_entries
from ckptdoctor.runs.logs import find_logs, is_log

__all__ = ["Chronicles", "chronicles", "survey", "why_nothing"]


def survey(found: Discovery, how: Examination | None = None, wish: Wish | None = None) -> Report:
    """The report on every file found, ranked; one that is missing gets its finding too.

    Args:
        found: at least one file.
        how: options.
        wish: what the user says of the metric and of the logs.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    return with_last_good(examine([*found.files, *found.missing], how), wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicles:
    """Runs over their epochs.

    Attributes:
        histories: those of which anything is known, the one with the most epochs first.
        findings: what the rules say of them, worst first.
        crashes: our own bugs.
    """

    histories: tuple[History, ...] = ()
    findings: tuple[Finding, ...] = ()
    crashes: tuple[Crash, ...] = ()


def chronicles(paths: Sequence[Path], wish: Wish) -> Chronicles:
    """The metric over the epochs of every run that the paths name, without scanning a tensor.

    Args:
        paths: checkpoints, folders of checkpoints or of logs, logs; none for the usual places.
        wish: what the user says of the metric and of the logs.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    named = [path for path in paths if is_log(path) and path.is_file()]
    others = [path for path in paths if path not in named]
    wish = replace(wish, logs=(*wish.logs, *named))
    found = discover(others) if others or not wish.logs else Discovery()
    folders: dict[Path, list[Entry]] = {}
    for file in found.files:
        with contextlib.suppress(CheckpointError, OSError):
            data = read_metadata(open_checkpoint(file))
            folders.setdefault(file.parent, []).append(Entry(path=file, metadata=data))
    histories = [join_entries(folder, entries, wish)[0] for folder, entries in folders.items()]
    histories += [
        history_of_logs([*logs, *wish.logs], wish)
        for folder in found.empty
        if (logs := find_logs([folder / "any"]))
    ]
    if not histories and wish.logs:
        histories = [history_of_logs(wish.logs, wish)]
    known = sorted((one for one in histories if one.points), key=lambda one: -len(one.points))
    findings, crashes = judge_history(known)
    return Chronicles(
        histories=tuple(known),
        findings=tuple(sorted(findings, key=lambda finding: -finding.severity)),
        crashes=tuple(crashes),
    )


def why_nothing(found: Discovery) -> Iterator[str]:
    """Why there is nothing to examine, a sentence a path."""
    for path in found.missing:
        yield f"{path}: no such file or folder"
    for folder in found.empty:
        where = "the current folder" if folder == Path() else str(folder)
        yield f"{where}: no checkpoint in it (.pth, .pt, .ckpt, .bin, .safetensors, ...)"
