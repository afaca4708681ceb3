"""Which checkpoint is restored: the one that was asked for, or what there is instead, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.recovery.choose import Moment, choose, sound_beside
from ckptdoctor.report import CheckpointReport, Report, RunReport
from tests.reports import report, score, with_last_good


def bad(epoch: int) -> CheckpointReport:
    return report(f"e{epoch}.pth", epoch, score(0.64), Verdict.CORRUPT, codes=("CD201",))


def ranked_run(*rows: CheckpointReport) -> RunReport:
    (run,) = with_last_good(Report(checkpoints=rows)).runs
    return run


def refused(run: RunReport, epoch: int | None, destination: str = "new.pth") -> str:
    """Why nothing is taken."""
    moment = None if epoch is None else Moment(number=epoch)
    with pytest.raises(RestoreError) as told:
        choose(run, moment=moment, destination=Path(destination))
    return str(told.value)


def declining() -> RunReport:
    """Up to epoch 20, which holds NaN, and then down."""
    rise = [report(f"e{at}.pth", at, score(0.50 + 0.002 * at)) for at in range(10, 20)]
    top = bad(20)
    fall = [report(f"e{at}.pth", at, score(0.64 - 0.01 * (at - 20))) for at in range(21, 31)]
    return ranked_run(*rise, top, *fall)


def test_those_that_the_run_speaks_against_are_named_behind_all_others() -> None:
    told = refused(declining(), 20)
    assert "no checkpoint of epoch 20 is sound" in told
    assert [at for at in range(10, 31) if f"epoch {at}, " in told] == [17, 18, 19]


def test_what_the_run_speaks_against_is_named_as_sound_nowhere() -> None:
    run = declining()
    for runs, sound in ((run, 3), (replace(run, ranking=run.ranking[-8:]), 0)):
        told = "\n".join(sound_beside(Report(runs=(runs,))))
        assert told.count("ckptdoctor restore --from") == sound
        assert "in the decline" not in told


def test_the_one_that_would_be_written_over_is_to_be_resumed_from() -> None:
    run = ranked_run(report("best.pth", 3), bad(4))
    assert "best.pth is the best there is: resume from it" in refused(run, None, "best.pth")


def test_a_bad_one_that_would_be_written_over_is_none_to_resume_from() -> None:
    run = ranked_run(bad(3), bad(4))
    assert "no checkpoint here is fit to go on from" in refused(run, None, "e3.pth")


def test_of_many_that_are_bad_a_few_are_named_with_why() -> None:
    told = refused(ranked_run(*map(bad, range(9))), None).splitlines()
    assert [line.partition(": ")[2] for line in told[1:]] == ["corrupt: CD201 what CD201 says"] * 5


def test_an_epoch_that_only_the_name_says_can_be_asked_for() -> None:
    row = report("net.pth")
    named = replace(row, metadata=replace(row.metadata, name_epoch=7))
    run = ranked_run(named, report("e4.pth", 4))
    found = choose(run, moment=Moment(number=7), destination=Path("new.pth"))
    assert found.report.path == Path("net.pth")
