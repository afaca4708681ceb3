"""CD411 from what files store, and from a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from ckptdoctor import open_checkpoint
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import Alarm, AlarmKind, History, Point, Position
from ckptdoctor.metadata import Metadata, Metric, MetricKind, Mode, Source
from ckptdoctor.rules.base import Case
from ckptdoctor.rules.resume import ResumeChangedOptimizer
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.optimizer_facts import Change, ChangeKind
from ckptdoctor.runs.run import Run
from ckptdoctor.survey import survey
from tests.cases import case, checkpoint
from tests.each import each
from tests.reports import metric

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
    stored = Case(
        checkpoint=open_checkpoint(path),
        stats={},
        problems=(),
        unchecked=0,
        metadata=Metadata(),
        run=Known(optimizer_changes={path: changes}),
    )
    found = [*ResumeChangedOptimizer().check(stored)]
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


@pytest.mark.parametrize(
    ("behind", "lasting", "told"),
    [(0, True, True), (1, True, True), (2, True, True), (3, True, False), (1, False, False)],
)
def test_harm_is_done_by_a_jump_within_two_values(behind: int, lasting: bool, told: bool) -> None:
    """Of a loss that exploded for good; not of one that the run came back from."""
    known = history([*LEVEL, *[0.72] * 6], [*FALLING, *[2e-4] * 6])
    alarm = Alarm(
        kind=AlarmKind.EXPLOSION,
        name="loss",
        at=45,
        since=42 + behind,
        value=99.0,
        before=1.0,
        message="",
        lasting=lasting,
    )
    found = [*ResumeChangedOptimizer().check_history(replace(known, alarms=(alarm,)))]
    assert [one.evidence["epoch"] for one in found] == ([42] if told else [])


def scored(
    value: float, kind: MetricKind, name: str = "iou", mode: Mode | None = Mode.MAX
) -> Metric:
    return metric(value, name=name, mode=mode, kind=kind)


SCORE, BEST = MetricKind.SCORE, MetricKind.RUNNING_BEST


@each(
    ("before", "after", "severity"),
    [
        (scored(0.5, SCORE), scored(0.5, SCORE), Severity.INFO),
        (scored(0.5, SCORE), scored(0.4, SCORE), Severity.WARNING),
        (scored(0.5, SCORE, mode=Mode.MIN), scored(0.4, SCORE, mode=Mode.MIN), Severity.INFO),
        (scored(0.5, SCORE, mode=None), scored(0.6, SCORE, mode=None), Severity.WARNING),
        (scored(0.5, BEST), scored(0.6, SCORE), Severity.WARNING),  # a best is no score of a file
        (scored(0.5, SCORE), scored(0.6, BEST), Severity.WARNING),
        (scored(0.5, SCORE, "dice"), scored(0.6, SCORE), Severity.WARNING),
        (None, scored(0.6, SCORE), Severity.WARNING),
        (scored(0.5, SCORE), None, Severity.WARNING),
    ],
)
def test_a_score_that_went_on_as_well_makes_a_change_a_note(
    before: Metric | None, after: Metric | None, severity: Severity
) -> None:
    members = tuple(
        Member(path=Path(f"e{at}.pt"), metadata=Metadata(epoch=at, metric=found))
        for at, found in enumerate((before, after))
    )
    change = Change(at=1, kind=ChangeKind.RATE, message="rate", before=1.0, after=9.0)
    last = members[1].path
    run = Known(members=members, placed=2, optimizer_changes={last: (change,)})
    seen = replace(case(), checkpoint=checkpoint(path=str(last)), run=run)
    seen = replace(seen, metadata=members[1].metadata)
    assert [one.severity for one in ResumeChangedOptimizer().check(seen)] == [severity]


def alarmed(scores: list[float], rates: list[float], at: int) -> list[Finding]:
    """What is said of a log whose monitor told of the rate at a place."""
    known = history(scores, rates)
    alarm = Alarm(
        kind=AlarmKind.RATE,
        name="lr",
        at=30 + at,
        since=30 + at,
        value=rates[at],
        before=rates[at - 1],
        message="",
    )
    return [*ResumeChangedOptimizer().check_history(replace(known, alarms=(alarm,)))]


def test_a_sure_jump_is_told_at_once_and_stays_a_note_where_nothing_came_of_it() -> None:
    (found,) = alarmed([*LEVEL, 0.72], [*[0.05] * 12, 1.5], 12)
    assert (found.severity, found.evidence["epoch"]) == (Severity.WARNING, 42)
    assert found.message == "the learning rate jumped from 0.05 to 1.5 at epoch 42, times 30"
    (found,) = alarmed([*LEVEL, *[0.72] * 4], [*[0.05] * 12, *[1.5] * 4], 12)
    assert found.severity is Severity.INFO
    assert found.message.endswith("times 30, and the run went on as well as before")
    (found,) = alarmed([*LEVEL, *[0.02] * 4], [*[0.05] * 12, *[1.5] * 4], 12)
    assert found.severity is Severity.WARNING
    assert found.message.endswith("times 30, and the run got worse")


def test_a_sure_jump_that_did_harm_needs_no_rates_before_it() -> None:
    """Of a log that begins with the jump: what the monitor said of it is all that is known."""
    known = history([*LEVEL[:4], *[0.02] * 4], [1.5] * 8)
    alarm = Alarm(
        kind=AlarmKind.RATE, name="lr", at=33, since=33, value=1.5, before=0.05, message=""
    )
    (found,) = ResumeChangedOptimizer().check_history(replace(known, alarms=(alarm,)))
    assert found.message.endswith("0.05 to 1.5 at epoch 33, times 30, and the run got worse")


def saved_run(folder: Path, scores: list[float]) -> list[Severity]:
    """What is said of files that store the rate of the next epoch, as schedules leave it."""
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 8, gamma=30)
    for epoch, score in enumerate(scores, start=1):
        optimizer.step()
        schedule.step()
        state = {"epoch": epoch, "model": net.state_dict(), "val_iou": score}
        state |= {"optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict()}
        torch.save(state, folder / f"epoch_{epoch:02d}.pt")
    report = survey(discover([folder]))
    return [f.severity for row in report.checkpoints for f in row.findings if f.code == "CD411"]


def test_a_file_with_the_rate_of_the_next_epoch_answers_for_it(tmp_path: Path) -> None:
    well = [0.5 + at / 50 for at in range(9)]
    for name, scores, severity in (
        ("sound", [*well, 0.7, 0.72, 0.74], Severity.INFO),
        ("dead", [*well[:-1], 0.01, 0.01, 0.01, 0.01], Severity.WARNING),
    ):
        folder = tmp_path / name
        folder.mkdir()
        assert saved_run(folder, scores) == [severity]
