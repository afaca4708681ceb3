"""The exact command to go on with: what the screen recommends is what ``plan`` recommends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import named
from ckptdoctor.report import CheckpointReport, RunReport
from ckptdoctor.rules.rescue import repair_command, rescue_command
from ckptdoctor.runs.wish import Wish
from ckptdoctor.shell import command_line
from ckptdoctor.sources.descriptors import is_far

__all__ = [
    "Asked",
    "average_name",
    "clean_name",
    "free_name",
    "is_archive",
    "is_in_trouble",
    "makes_folder",
    "next_command",
    "repaired_name",
    "same_question",
]

_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".jit", ".zip", ".nemo")
_MOST_PATHS = 4
_HOLDS_NAN = frozenset({"CD201", "CD202", "CD206", "CD301", "CD304", "CD305"})
_TROUBLE = frozenset({"CD401", "CD402", "CD403", "CD404", "CD411", "CD412"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked: which files, and what they said of metric and logs."""

    paths: tuple[Path, ...] = ()
    wish: Wish | None = None


def next_command(run: RunReport, asked: Asked, *, several: bool = False) -> str:
    """The command that leads out of it; "" if all is well, or nothing here can be rescued.

    A copy of the last good checkpoint would repeat what happened where the run itself went wrong:
    there the next step is a plan. Where only files are damaged, it is a copy of a sound one.
    """
    good = run.last_good
    if good is None:
        return next(filter(None, map(_rescue, run.checkpoints[::-1])), "")
    beside = {member.path for member in (*run.run.sides, *run.run.copies)}
    candidates = [row for row in run.checkpoints if row.path not in beside]
    in_trouble = is_in_trouble(run)
    sound = {row.path for row in candidates if row.verdict is Verdict.HEALTHY}
    broken = [r for r in candidates if r.path not in sound and _repaired(r.path) not in sound]
    if not in_trouble and not broken:
        return ""
    mending = [_mending(row, last=row.path == good.path) for row in reversed(broken)]
    if not in_trouble and any(mending):
        return next(filter(None, mending))
    copied = any(one.restored is None or not one.restored.averaged for one in run.run.copies)
    if in_trouble or copied:  # a copy is there: how to resume
        return command_line("ckptdoctor", "plan", *same_question(run, asked, several=several))
    words: list[str | Path] = ["ckptdoctor", "restore", "--from", good.path]
    of_files = any(row.path == good.path and makes_folder(row.files) for row in candidates)
    wanted = clean_name(good.path, several=of_files)
    free = free_name(wanted)
    return command_line(*words, *(("-o", free) if free != wanted else ()))


def _mending(row: CheckpointReport, *, last: bool = False) -> str:
    """The repair of a file, if it is sure to be written, or nothing better is there."""
    return repair_command(row.path, row.findings, decided=not last)


def _rescue(row: CheckpointReport) -> str:
    return rescue_command(row.path, row.findings)


def is_in_trouble(run: RunReport) -> bool:
    """Whether the run collapsed, exploded, declined, or holds NaN."""
    rows = [row for row in run.checkpoints if not _mending(row)]  # one bit is no collapse
    every = [*run.findings, *(finding for row in rows for finding in row.findings)]
    codes = {finding.code for finding in every if finding.severity >= Severity.WARNING}
    return bool(codes & (_TROUBLE | _HOLDS_NAN))


def same_question(run: RunReport, asked: Asked, *, several: bool) -> list[str | Path]:
    """The words of a command that mean this run, its logs and its metric, as the user asked."""
    paths: Sequence[Path] = tuple(dict.fromkeys(asked.paths))
    if len(paths) > _MOST_PATHS:
        paths = (run.path,)
    words: list[str | Path] = [*paths]
    if several:
        words += ["--run", run.name]
    wish = asked.wish
    if wish is not None:
        for log in wish.logs:
            words += ["--log", log]
        if wish.pattern is not None:
            words += ["--log-pattern", wish.pattern.text]
        words += ["--metric", wish.metric] if wish.metric else []
        words += ["--mode", wish.mode.value] if wish.mode is not None else []
    return words


def repaired_name(source: Path) -> Path:
    """Where a repaired file goes by default: ``last.pth`` -> ``last_repaired.pth``.

    Of a file that lies elsewhere, into the current folder: nothing is written there unasked.
    """
    name = _repaired(source)
    return Path(name.name) if is_far(source) else name


def _repaired(source: Path) -> Path:
    return source.with_name(f"{source.stem}_repaired{source.suffix}")


def is_archive(files: CheckpointFiles | None) -> bool:
    """Whether a checkpoint's files lie in one archive."""
    return files is not None and any(part.member is not None for part in files.parts)


def makes_folder(files: CheckpointFiles | None) -> bool:
    """Whether what is restored of a checkpoint is a folder."""
    return files is not None and not files.is_single and not is_archive(files)


def clean_name(source: Path, suffix: str = "", *, several: bool = False) -> Path:
    """Where a restored checkpoint goes by default: beside its source, a folder beside a folder.

    Args:
        source: the checkpoint.
        suffix: of the file to write; "" for that of the source.
        several: whether it consists of several files that lie side by side.
    """
    return _beside(source, "best_model_clean", suffix, several=several)


def average_name(source: Path, suffix: str = "", *, several: bool = False) -> Path:
    """Where an average goes by default: beside the newest of those that it is made from.

    Args:
        source: the newest.
        suffix: of the file to write; "" for that of the source.
        several: whether it consists of several files that lie side by side.
    """
    return _beside(source, "best_model_average", suffix, several=several)


def _beside(source: Path, stem: str, suffix: str, *, several: bool) -> Path:
    source = named(source)
    own = source.suffix if source.suffix in _SUFFIXES else ""
    if suffix or (several and not source.is_dir()):
        name = f"{stem}{suffix}"
    else:
        name = f"{stem}{own or ('' if source.is_dir() else '.pth')}"
    if is_far(source):  # nothing is written there unless it is asked for
        return Path(name)
    return source.with_name(name)


def free_name(path: Path, taken: frozenset[Path] | set[Path] = frozenset()) -> Path:
    """The path, or with a number where something is there; here, if its folder takes no file."""
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        path = Path(path.name)
    number, free = 2, path
    while free in taken or free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free
