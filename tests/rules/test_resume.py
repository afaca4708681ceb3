"""CD411 from what files store, and from a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ckptdoctor import open_checkpoint
from ckptdoctor.finding import Severity
from ckptdoctor.history import History, Point, Position
from ckptdoctor.metadata import Metadata, Mode, Source
from ckptdoctor.rules.base import Case
from ckptdoctor.rules.resume import ResumeChangedOptimizer
from ckptdoctor.runs.optimizer_facts import Change, ChangeKind
from ckptdoctor.runs.run import Run

FALLING = [2e-4 * 0.6**at for at in range(12)]
LEVEL = [0.71 + at % 3 / 500 for at in range(12)]


@dataclass(frozen=True)
class Known(Run):
    """A run of which the changes are known."""

    optimizer_changes: Mapping[Path, tuple[Change, ...]] = field(default_factory=dict)


def history(scores: list[float], rates: list[float]) -> History:
    values: dict[Position, dict[str, float]] = {
        epoch: {"acc": score, "lr": rate}
        for epoch, (score, rate) in enumerate(zip(scores, rates, strict=True), start=30)
    }
    points = tuple(
        Point(at=at, epoch=at, value=row["acc"], source=Source.LOG) for at, row in values.items()
    )
    return History(metric="acc", mode=Mode.MAX, points=points, values=values)


def test_what_the_files_store(tmp_path: Path) -> None:
    path = tmp_path / "e.pt"
    torch.save({"model": {"w": torch.zeros(2)}}, path)
    changes = tuple(
        Change(at=1, kind=kind, message=kind.value, before=1.0, after=2.0) for kind in ChangeKind
    )
    case = Case(
        checkpoint=open_checkpoint(path),
        stats={},
        problems=(),
        unchecked=0,
        metadata=Metadata(),
        run=Known(optimizer_changes={path: changes}),
    )
    found = [*ResumeChangedOptimizer().check(case)]
    notes = {f.evidence["changed"] for f in found if f.severity is Severity.INFO}
    assert notes == {"groups added", "setting"}
    assert len(found) == len(ChangeKind)


def test_a_jump_in_a_log_that_did_harm() -> None:
    jumped = [*FALLING, 2e-4, 2e-4, 2e-4]
    (found,) = ResumeChangedOptimizer().check_history(history([*LEVEL, 0.6, 0.6, 0.6], jumped))
    assert found.evidence["epoch"] == 42
    assert "at epoch 42" in found.message
    sound = history([*LEVEL, 0.72, 0.73, 0.73], jumped)
    assert [*ResumeChangedOptimizer().check_history(sound)] == []
    long_before = history([*LEVEL, *LEVEL, 0.6, 0.6], [*FALLING, *[2e-4] * 14])
    assert [*ResumeChangedOptimizer().check_history(long_before)] == []
