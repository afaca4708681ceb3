"""Which checkpoint to go on from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.layouts.files import Part, PartRole
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Mode
from ckptdoctor.report import CheckpointReport, PartReport, Place, Report
from tests.reports import metric, report, score, with_last_good


def ranking(*reports: CheckpointReport) -> Sequence[Place]:
    """The places in a report on them."""
    return with_last_good(Report(checkpoints=reports)).ranking


def order(*reports: CheckpointReport) -> list[str]:
    """The names, best first, whatever order they come in."""
    places = [place.report.path.name for place in ranking(*reports)]
    assert places == [place.report.path.name for place in ranking(*reversed(reports))]
    return places


def reason(name: str, *reports: CheckpointReport) -> str:
    """Why a checkpoint stands where it stands."""
    return next(place.reason for place in ranking(*reports) if place.report.path.name == name)


def test_the_verdict_comes_before_the_score() -> None:
    assert order(
        report("a", 1, score(0.1)),
        report("b", 2, score(0.5), Verdict.SALVAGEABLE),
        report("c", 3, score(0.5), Verdict.SUSPECT),
    ) == ["a", "c", "b"]


def test_what_was_learned_outweighs_what_can_be_reset() -> None:
    sound = [report(f"e{epoch}", epoch, score(0.60 + 0.01 * epoch)) for epoch in range(1, 5)]
    salvageable = report("e24", 24, score(0.94), Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(*sound, salvageable)[0] == "e24"
    near = report("e24", 24, score(0.641), Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(*sound, near) == ["e4", "e3", "e2", "e1", "e24"]
    unknown = report("e24", 24, None, Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(*sound, unknown)[-1] == "e24"


def test_what_came_after_a_collapse_says_nothing_of_the_noise_before() -> None:
    sound = [report(f"e{epoch}", epoch, score(0.60 + 0.0001 * epoch)) for epoch in range(1, 9)]
    salvageable = report("e9", 9, score(0.68), Verdict.SALVAGEABLE, codes=("CD305",))
    wild = [report(f"e{at}", at, score(0.002 if at % 2 else 0.09)) for at in range(10, 24)]
    assert order(*sound, salvageable)[0] == "e9"
    assert order(*sound, salvageable, *wild)[0] == "e9"


def test_a_folder_that_lacks_something_is_never_lifted() -> None:
    sound = [report(f"e{epoch}", epoch, score(0.60 + 0.01 * epoch)) for epoch in range(1, 5)]
    part = Part(path=Path("e24/optimizer.pt"), name="optimizer.pt", role=PartRole.OPTIMIZER)
    lost = PartReport(part=part, format="", nbytes=0, verdict=Verdict.UNREADABLE)
    salvageable = report("e24", 24, score(0.94), Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(*sound, salvageable)[0] == "e24"
    assert order(*sound, replace(salvageable, parts=(lost,)))[0] == "e4"


def test_a_score_inside_a_decline_neither_lifts_nor_is_what_others_are_held_against() -> None:
    def run(**verdicts: Verdict) -> list[CheckpointReport]:
        values = [0.50 + 0.002 * at for at in range(10)] + [0.64 - 0.01 * at for at in range(11)]
        values[9] = 0.60
        return [
            report(
                f"e{at}",
                at,
                score(value),
                verdicts.get(f"e{at}", Verdict.HEALTHY),
                codes=("CD305",) if f"e{at}" in verdicts else (),
            )
            for at, value in enumerate(values)
        ]

    before, inside = {"e9": Verdict.SALVAGEABLE}, {"e11": Verdict.SALVAGEABLE}
    top = {"e10": Verdict.CORRUPT}
    assert order(*run(**top, **before))[0] == "e9", "0.63 in the decline is no score to beat"
    assert order(*run(**top, **inside))[-2:] == ["e11", "e10"]


def test_where_no_sound_one_has_a_score_a_score_says_nothing() -> None:
    salvageable = report("e9", 9, score(0.94), Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(report("e1", 1), report("e2", 2), salvageable) == ["e2", "e1", "e9"]
    assert order(salvageable)[0] == "e9"


def test_a_better_score_behind_a_collapse_lifts_nothing() -> None:
    run = [report(f"e{epoch}", epoch, score(0.6)) for epoch in range(1, 5)]
    fallen = report("e5", 5, score(0.01), Verdict.SALVAGEABLE, codes=("CD305",))
    assert order(*run, fallen)[-1] == "e5"


def test_a_score_inside_a_decline_never_wins_also_where_it_is_the_highest() -> None:
    before = [report(f"e{epoch}", epoch, score(0.50 + 0.001 * epoch)) for epoch in range(80, 88)]
    best = report("e88", 88, score(0.6413), Verdict.CORRUPT, codes=("CD201",))
    decline = [
        report(f"e{epoch}", epoch, score(0.64 - 0.005 * (epoch - 88))) for epoch in range(89, 98)
    ]
    assert order(*before, best, *decline)[:9] == [*(f"e{at}" for at in range(87, 79, -1)), "e89"]
    assert "in the decline" in reason("e89", *before, best, *decline)


def test_a_score_after_a_collapse_never_wins_also_where_it_is_the_highest() -> None:
    before = [report(f"e{epoch}", epoch, score(0.005 * epoch)) for epoch in range(80, 88)]
    best = report("e88", 88, score(0.6413), Verdict.CORRUPT, codes=("CD201",))
    after = [report(f"e{epoch}", epoch, score(0.0022)) for epoch in range(89, 99)]
    highest = report("e99", 99, score(0.45))
    assert order(*before, best, *after, highest)[0] == "e87"
    assert "since the collapse at 89" in reason("e99", *before, best, *after, highest)


def test_the_own_score_comes_before_the_epoch() -> None:
    assert order(
        report("old", 1, score(0.7)), report("new", 9, score(0.6)), report("same", 5, score(0.7))
    ) == ["same", "old", "new"]


def test_a_running_best_belongs_to_the_first_that_holds_it() -> None:
    run = [
        report("e85", 85, metric(0.6408)),
        report("e88", 88, metric(0.6413)),
        report("e90", 90, metric(0.6413)),
        report("e95", 95, metric(0.6413)),
    ]
    assert order(*run) == ["e88", "e85", "e90", "e95"]
    assert reason("e88", *run) == "healthy, the first to hold best_iou 0.6413"
    assert reason("e95", *run) == "healthy, scored no more than best_iou 0.6413"


def test_two_files_of_the_first_epoch_both_hold_it_first() -> None:
    run = [
        report("best_model", 88, metric(0.6413), Verdict.CORRUPT, codes=("CD201",)),
        report("checkpoint_epoch_88", 88, metric(0.6413)),
    ]
    assert order(*run) == ["checkpoint_epoch_88", "best_model"]
    assert "the first to hold" in reason("checkpoint_epoch_88", *run)


def test_a_corrupt_file_still_shows_when_the_best_was_reached() -> None:
    run = [
        report("e88", 88, metric(0.64), Verdict.CORRUPT, codes=("CD201",)),
        report("e90", 90, metric(0.64)),
        report("e85", 85, metric(0.63)),
    ]
    assert order(*run) == ["e85", "e90", "e88"]


def test_a_loss_is_better_low() -> None:
    low = [report("a", 1, score(0.2, name="val_loss", mode=Mode.MIN))]
    high = [report("b", 2, score(0.4, name="val_loss", mode=Mode.MIN))]
    assert order(*low, *high) == ["a", "b"]


def test_an_unknown_direction_is_not_guessed() -> None:
    run = [
        report("a", 1, score(0.9, name="metric", mode=None)),
        report("b", 2, score(0.1, name="metric", mode=None)),
    ]
    assert order(*run) == ["b", "a"]
    assert "direction unknown" in reason("a", *run)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_wins_nothing(value: float) -> None:
    assert order(report("a", 1, score(0.3)), report("b", 2, score(value))) == ["a", "b"]


def test_without_any_score_the_latest_epoch_is_best() -> None:
    assert order(report("a", 1), report("b", 12), report("c", 2), report("d")) == [
        *("b", "c", "a", "d"),
    ]


def test_what_cannot_be_used_comes_last_and_says_why() -> None:
    run = [
        report("x", 9, verdict=Verdict.UNREADABLE, codes=("CD101",), tensors=0),
        report("n", 9, verdict=Verdict.CORRUPT, codes=("CD201",)),
        report("a", 1, verdict=Verdict.SALVAGEABLE),
    ]
    assert order(*run) == ["a", "n", "x"]
    assert reason("n", *run) == "corrupt: CD201 what CD201 says"


def test_a_file_that_runs_code_is_never_the_one_to_go_on_from() -> None:
    hostile = report("evil", 99, score(0.99), Verdict.SUSPECT, codes=("CD106",))
    found = with_last_good(Report(checkpoints=(hostile, report("a", 1, score(0.1)))))
    assert found.last_good is not None
    assert found.last_good.path.name == "a"
    assert with_last_good(Report(checkpoints=(hostile,))).last_good is None


def test_a_file_without_tensors_is_none_to_go_on_from() -> None:
    empty = report("optimizer_args", 5, tensors=0)
    assert with_last_good(Report(checkpoints=(empty,))).last_good is None
    assert "holds no tensors" in reason("optimizer_args", empty)


def test_the_last_good_is_the_top_of_the_ranking() -> None:
    run = (report("b", 2, score(0.6)), report("a", 1, score(0.7)))
    found = with_last_good(Report(checkpoints=run))
    assert found.last_good is not None
    assert (found.last_good.path.name, found.last_good.epoch) == ("a", 1)
    assert [c.path.name for c in found.checkpoints] == ["a", "b"]


def test_an_empty_report_has_no_last_good() -> None:
    assert with_last_good(Report()).last_good is None


def test_without_tensors_that_is_the_reason_whatever_else_is_noted() -> None:
    noted = replace(
        report("args", 5, tensors=0),
        findings=(
            Finding(code="CD105", severity=Severity.INFO, subject="pickle", message="a class"),
        ),
    )
    assert reason("args", noted) == "healthy: it holds no tensors"


def test_without_epochs_the_latest_step_is_best() -> None:
    assert order(
        report("checkpoint-500/model.bin", step=500),
        report("checkpoint-1000/model2.bin", step=1000),
    ) == ["model2.bin", "model.bin"]


def test_a_running_best_without_an_epoch_proves_nothing() -> None:
    run = [report("best", None, metric(0.7)), report("e5", 5, metric(0.6))]
    assert order(*run) == ["e5", "best"]
    assert reason("best", *run) == "healthy, scored no more than best_iou 0.7"


def test_a_running_best_of_a_loss_belongs_to_the_first_too() -> None:
    run = [
        report("e1", 1, metric(0.5, name="best_loss", mode=Mode.MIN)),
        report("e2", 2, metric(0.4, name="best_loss", mode=Mode.MIN)),
        report("e3", 3, metric(0.4, name="best_loss", mode=Mode.MIN)),
    ]
    assert order(*run) == ["e2", "e1", "e3"]


def test_only_the_metric_that_most_files_hold_is_compared() -> None:
    run = [
        report("a", 1, score(0.6)),
        report("b", 2, score(0.5)),
        report("c", 3, score(99.0, name="psnr")),
    ]
    assert order(*run) == ["a", "b", "c"]
    assert "no score known" in reason("c", *run)


def test_nothing_is_known_of_a_file_without_epoch_and_score() -> None:
    assert reason("x", report("x")) == "healthy, no epoch or score known"


def test_a_restored_copy_takes_nothing_from_its_source() -> None:
    sound = [report(f"e{epoch}", epoch, score(0.5 + 0.01 * epoch)) for epoch in range(1, 4)]
    poisoned = report("e9", 9, score(0.93), Verdict.SALVAGEABLE, codes=("CD305",))
    made = RestoredFrom(source=Path("e9"), epoch=9, scale=1.0, set_lr=None, actions=("ema",))
    copy = replace(report("best_model_clean.pth", 9, score(0.93)), restored=made)
    found = with_last_good(Report(checkpoints=(*sound, poisoned, copy)))
    assert found.last_good is not None
    assert found.last_good.path.name == "e9"
    (place,) = [one for one in found.ranking if one.report.restored is not None]
    assert not place.usable
    assert place.reason == "healthy: restored from e9"
