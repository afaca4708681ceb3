"""What the screen recommends: a plan where the run went wrong, a copy where only files are bad."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import cast

import pytest

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.recovery.next_step import Asked, clean_name, free_name, same_question
from ckptdoctor.report import CheckpointReport, Report
from tests.each import each
from tests.reports import report, score, with_last_good


def cut(epoch: int) -> CheckpointReport:
    return report(f"e{epoch}.pth", epoch, None, Verdict.CORRUPT, codes=("CD102",))


def sound(*epochs: int) -> list[CheckpointReport]:
    return [report(f"e{at}.pth", at, score(0.5 + 0.01 * at)) for at in epochs]


def following(*rows: CheckpointReport, findings: tuple[Finding, ...] = ()) -> str:
    """The command that is recommended."""
    (run,) = with_last_good(Report(checkpoints=rows, findings=findings)).runs
    return run.next


def of_run(code: str, severity: Severity) -> Finding:
    return Finding(code=code, severity=severity, subject="run", message="what it says")


def test_all_is_well_and_there_is_nothing_to_do() -> None:
    assert following(*sound(1, 2, 3)) == ""


@each("code", ["CD401", "CD402", "CD403", "CD404", "CD411", "CD412"])
def test_where_the_run_went_wrong_a_copy_would_repeat_it(code: str) -> None:
    rows = [*sound(1, 2, 3), cut(4)]
    told = following(*rows, findings=(of_run(code, Severity.WARNING),))
    assert told.startswith("ckptdoctor plan")


def test_what_is_worth_a_note_is_no_trouble() -> None:
    rows = [*sound(1, 2, 3), cut(4)]
    noted = (of_run("CD411", Severity.INFO),)
    assert following(*rows, findings=noted) == "ckptdoctor restore --from e3.pth"


def test_a_file_that_was_repaired_is_bad_no_more() -> None:
    rows = [*sound(1, 2), cut(3)]
    assert following(*rows) == "ckptdoctor restore --from e2.pth"
    assert following(*rows, report("e3_repaired.pth", 3, score(0.53))) == ""


def test_where_there_is_a_copy_the_next_step_is_to_resume_and_a_mean_is_no_copy() -> None:
    rows = [*sound(1, 2), cut(3)]
    copy = RestoredFrom(source=Path("e2.pth"), epoch=2, scale=1.0, set_lr=None, actions=("copy",))
    mean = replace(copy, averaged=(Path("e1.pth"), Path("e2.pth")), scale=None)
    clean = report("best_model_clean.pth", 2, score(0.52))
    assert following(*rows, replace(clean, restored=copy)).startswith("ckptdoctor plan")
    assert following(*rows, replace(clean, restored=mean)).startswith("ckptdoctor restore")


def test_many_paths_are_asked_again_by_their_folder() -> None:
    rows = [replace(one, path=Path("run") / one.path) for one in sound(*range(5))]
    (run,) = with_last_good(Report(checkpoints=tuple(rows))).runs
    paths = tuple(one.path for one in rows)
    assert same_question(run, Asked(paths=paths[:4]), several=False) == [*paths[:4]]
    assert same_question(run, Asked(paths=paths), several=False) == [Path("run")]


def test_a_copy_of_what_lies_in_a_bucket_is_written_here() -> None:
    class Far(PurePosixPath):
        def far_bytes(self) -> None: ...

        def is_dir(self) -> bool:
            return False

    assert clean_name(cast("Path", Far("bucket/run/last.ckpt"))) == Path("best_model_clean.ckpt")
    assert clean_name(Path("run/last.ckpt")) == Path("run/best_model_clean.ckpt")


def test_a_folder_that_takes_no_file_has_its_copy_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = tmp_path / "best.pth"
    assert free_name(asked) == asked
    asked.touch()
    assert free_name(asked) == tmp_path / "best_2.pth"
    assert free_name(asked, {tmp_path / "best_2.pth"}) == tmp_path / "best_3.pth"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert free_name(tmp_path / "other.pth") == Path("other.pth")
