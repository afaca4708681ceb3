"""A series of checkpoints whose truth is known: its files, and what losing each of them costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path


class Kind(StrEnum):
    """What a file, or a group of tensors within one, is for."""

    WEIGHTS = "weights"
    OPTIMIZER = "optimizer"
    EMA = "ema"
    SCALER = "scaler"
    SCHEDULER = "scheduler"
    RNG = "rng"
    STATE = "state"
    ARGS = "args"
    INDEX = "index"
    POINTER = "pointer"
    TEXT = "text"


SOUND = frozenset({"healthy"})
ODD = frozenset({"suspect"})
LOST_WEIGHTS = frozenset({"corrupt", "unreadable"})
LOST_STATE = frozenset({"salvageable"})

COSTS: Mapping[Kind, frozenset[str]] = {
    Kind.WEIGHTS: LOST_WEIGHTS,
    Kind.OPTIMIZER: LOST_STATE,
    Kind.EMA: LOST_STATE,
    Kind.SCALER: LOST_STATE,
    Kind.SCHEDULER: SOUND | ODD,
    Kind.RNG: SOUND | ODD,
    Kind.STATE: SOUND | ODD,
    Kind.ARGS: SOUND | ODD,
    # the data is there, and the framework will not find it: what it costs depends on who loads
    Kind.INDEX: ODD | LOST_STATE | LOST_WEIGHTS,
    Kind.POINTER: SOUND | ODD,  # it concerns the run, not the checkpoint
    Kind.TEXT: SOUND | ODD,
}
"""The verdicts that a checkpoint may get that lost a part of this kind."""

_GRAVITY = (
    *(Kind.TEXT, Kind.POINTER, Kind.ARGS, Kind.STATE, Kind.RNG, Kind.SCHEDULER),
    *(Kind.SCALER, Kind.EMA, Kind.OPTIMIZER, Kind.INDEX, Kind.WEIGHTS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of the newest checkpoint, or a member of it where it is an archive.

    ``inside`` says what single tensors of it are, by a pattern of their dotted name; what none
    matches is of the part's own ``kind``. ``sibling`` is the same file of the checkpoint before,
    "" where there is none. ``unseen`` names faults without a witness, and says why. ``whole``: it
    is all that the checkpoint consists of, but for what is the same in the others.
    """

    path: str
    kind: Kind
    sibling: str = ""
    member: str = ""
    inside: tuple[tuple[str, Kind], ...] = ()
    costs: frozenset[str] = frozenset()
    unseen: Mapping[str, str] | None = None
    whole: bool = False

    @property
    def name(self) -> str:
        """What a table shows."""
        return f"{self.path}:{self.member}" if self.member else self.path

    def kind_of(self, tensor: str) -> Kind:
        """What this tensor of it is."""
        return next((kind for glob, kind in self.inside if fnmatch(tensor, glob)), self.kind)

    @property
    def worst(self) -> Kind:
        """The dearest of all that is in it."""
        return max((self.kind, *(kind for _, kind in self.inside)), key=_GRAVITY.index)

    @property
    def loss(self) -> frozenset[str]:
        """The verdicts that fit where all of it is lost."""
        return self.costs or COSTS[self.worst]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Three checkpoints of one training, oldest first, and all that is in the newest.

    ``checkpoints`` holds, for each, the paths (below ``root``) under which it may be listed: a
    folder has one; files that lie loose side by side have several, of which the first alone is an
    answer to which checkpoint is good.
    """

    root: Path
    checkpoints: tuple[tuple[str, ...], ...]
    parts: tuple[Part, ...]


Build = Callable[[Path], Series]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A way of laying checkpoints out, with the builder of a series."""

    name: str
    build: Build
    needs: tuple[str, ...] = ()
    """Packages without which it cannot be built; none for a twin."""


Rules = Iterable[tuple[str, Part]]


def rule(pattern: str, kind: Kind, **more: object) -> tuple[str, Part]:
    """A pattern of file names, and what such a file is."""
    return pattern, Part(path="", kind=kind, **more)  # type: ignore[arg-type]


def folder_series(root: Path, folders: Iterable[str], rules: Rules, *more: Part) -> Series:
    """The series of checkpoints that are folders below ``root``; every file must have a rule.

    A folder within them may be named by the step: ``checkpoint-60/global_step60``.
    """
    names = tuple(folders)
    newest, before = names[-1], names[-2]
    known = tuple(rules)
    step, earlier = (re.findall(r"\d+", name)[-1] for name in (newest, before))
    parts = tuple(
        _matched(
            known,
            relative,
            f"{newest}/{relative}",
            f"{before}/{relative.replace(f'step{step}/', f'step{earlier}/')}",
        )
        for relative in files(root / newest)
    )
    lone = [part.sibling for part in parts if not (root / part.sibling).is_file()]
    assert not lone, lone
    return Series(root=root, checkpoints=tuple((name,) for name in names), parts=(*parts, *more))


def files(folder: Path) -> list[str]:
    """Every file below a folder, relative to it, in order."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found]


def _matched(rules: tuple[tuple[str, Part], ...], relative: str, path: str, sibling: str) -> Part:
    for pattern, part in rules:
        if fnmatch(relative, pattern):
            return Part(
                path=path,
                sibling=sibling,
                kind=part.kind,
                member=part.member,
                inside=part.inside,
                costs=part.costs,
                unseen=part.unseen,
                whole=part.whole,
            )
    raise AssertionError(f"{path}: what is it?")
