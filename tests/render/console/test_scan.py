"""The table of ``scan``: one run, a few, many; what lies beside; what was not believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.render.console.rank import rank_text
from ckptdoctor.render.console.scan import scan_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.report import CheckpointReport, Report, RunReport, findings_of
from tests.each import each
from tests.render.outputs import CASES, ODD_RUN, collapse, finding, hostile, runs
from tests.reports import report, score, with_last_good

PLAIN = Screen(width=80, colour=False)
LOUD = Screen(width=80, colour=False, verbosity=1)
QUIET = Screen(width=80, colour=False, verbosity=-1)
LINES = 23  # of 24: the prompt takes one


def folder(name: str, *, epochs: int = 4, corrupt: int = 0) -> list[CheckpointReport]:
    """A run whose last files are corrupt."""
    return [
        report(f"runs/{name}/epoch_{n}.pth", n, score(0.5 + n / 100), codes=())
        if n <= epochs - corrupt
        else report(f"runs/{name}/epoch_{n}.pth", n, score(0.1), Verdict.CORRUPT, codes=("CD201",))
        for n in range(1, epochs + 1)
    ]


def several(*folders: list[CheckpointReport]) -> Report:
    return with_last_good(Report(checkpoints=tuple(row for rows in folders for row in rows)))


def told_of(found: Report, change: Callable[[RunReport], RunReport]) -> Report:
    """The report with something about each run."""
    changed = tuple(map(change, found.runs))
    return replace(found, runs=changed, findings=findings_of(changed))


def lines_of(found: Report, screen: Screen = PLAIN) -> list[str]:
    return scan_text(found, screen).splitlines()


@pytest.mark.parametrize(("lines", "hides"), [(24, True), (50, False), (30, True)])
@pytest.mark.parametrize("runs_of", [1, 2])
def test_a_tall_screen_shows_what_it_has_room_for(lines: int, hides: bool, runs_of: int) -> None:
    found = several(*(folder(f"r{at}", epochs=32 // runs_of, corrupt=2) for at in range(runs_of)))
    told = scan_text(found, replace(PLAIN, height=lines)).splitlines()
    assert len(told) < lines
    rows = sum("epoch_" in line and line[:1] in "✓✗" for line in told)
    assert (rows < 32) is hides
    if hides:
        assert len(told) > lines - 6  # and uses it


def test_one_run_answers_first() -> None:
    assert lines_of(collapse()) == [
        "6 checkpoints, 6.0 kB: 3 healthy, 1 suspect, 1 corrupt, 1 unreadable",
        "Last good: checkpoints/epoch_88.pth",
        "           healthy, iou 0.6413",
        "Next:      ckptdoctor plan checkpoints",
        "Error:     CD402 iou collapsed from 0.6413 at epoch 88 to 0.0022 at epoch 98",
        "Warning:   CD408 the newest healthy one lies 8 behind",
        "",
        "  checkpoint    epoch    iou verdict why",
        "✓ epoch_85.pth     85 0.6408 healthy",
        "✓ epoch_88.pth     88 0.6413 healthy ← last good",
        "? epoch_90.pth     90 0.6345 suspect",
        "✗ epoch_98.pth     98 0.0022 corrupt CD201 NaN in weights ×5 +1",
        "✓ epoch_101.pth   101    NaN healthy since the collapse at 98",
        "  +1: 1 other code as well (-v tells all)",
        "  beside, in no run:",
        "! x.pth   unreadable CD101 not a checkpoint",
        "",
        "! checkpoints/x.pth: an HTML page (404 Not Found). download it again",
    ]


def test_the_logs_that_were_believed_are_named() -> None:
    def with_log(run: RunReport) -> RunReport:
        logs = tuple(Path(f"runs/{n}.log") for n in range(4))
        return replace(run, run=replace(run.run, history=replace(run.run.history, logs=logs)))

    one = told_of(several(folder("a")), with_log)
    assert "           healthy, iou 0.54; logs: 0.log, 1.log and 2 more" in lines_of(one)
    dead = told_of(several(folder("a", corrupt=4)), with_log)
    assert "           logs: 0.log, 1.log and 2 more" in lines_of(dead)
    two = told_of(several(folder("a"), folder("b")), with_log)
    assert "a: 4 healthy; logs: 0.log, 1.log and 2 more" in lines_of(two)


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c", "d", "e")])
def test_what_was_not_believed_is_said_whatever_the_number_of_runs(names: tuple[str, ...]) -> None:
    notes = tuple(f"runs/{n}.log was set aside: it tells other values" for n in range(5))
    found = replace(several(*map(folder, names)), notes=notes)
    text = scan_text(found, PLAIN)
    assert text.count("Note:") == 3
    assert "… and 2 more notes (-v)" in text
    assert scan_text(found, LOUD).count("Note:") == 5
    assert "Note:" not in scan_text(found, QUIET)


def test_two_runs_have_an_answer_each() -> None:
    found = several(folder("plain"), folder("idea", corrupt=1))
    lines = lines_of(found)
    assert lines[0] == "8 checkpoints, 2 runs, 8.0 kB: 7 healthy, 1 corrupt"
    idea, plain = lines.index("idea: 3 healthy, 1 corrupt"), lines.index("plain: 4 healthy")
    first, second = sorted((idea, plain))
    blocks = {lines[first]: lines[first:second], lines[second]: lines[second:]}
    sick, well = blocks["idea: 3 healthy, 1 corrupt"], blocks["plain: 4 healthy"]
    assert sick[1] == "Last good: runs/idea/epoch_3.pth (healthy, iou 0.53)"
    assert sick[2] == "Next:      ckptdoctor plan --run idea"
    assert "✗ epoch_4.pth     4 0.1  corrupt CD201 NaN in weights" in sick
    assert well[1] == "Last good: runs/plain/epoch_4.pth (healthy, iou 0.54)"
    assert not any(line.startswith("Next:") for line in well)


def test_a_finding_stands_with_its_run() -> None:
    def fell(run: RunReport) -> RunReport:
        if run.name != "b":
            return run
        return replace(run, findings=tuple(finding(f"CD40{n}", f"m{n}", "run") for n in range(4)))

    lines = lines_of(told_of(several(folder("a"), folder("b"), folder("c")), fell))
    at = lines.index("b: 4 healthy")
    assert lines[at + 2 : at + 5] == [
        "Error:     CD400 m0",
        "Error:     CD401 m1",
        "           … and 2 more (-v)",
    ]
    assert sum("CD40" in line for line in lines) == 2


@pytest.mark.parametrize("count", [1, 2, 3, 4, 12, 40])
@pytest.mark.parametrize("corrupt", [0, 1, 20])
@pytest.mark.parametrize("beside", [0, 6])
@pytest.mark.one_in(3)
def test_it_fits_a_screen(count: int, corrupt: int, beside: int) -> None:
    strays = [
        report(f"runs/other_{'abcdef'[n]}.pth", verdict=Verdict.UNREADABLE, codes=("CD101",))
        for n in range(beside)
    ]
    found = several(*(folder(f"r{n}", epochs=20, corrupt=corrupt) for n in range(count)), strays)
    assert len(found.runs) == count
    lines = lines_of(found)
    assert len(lines) <= LINES
    assert all(len(line) <= 80 for line in lines)
    answers = [line for line in lines if line.startswith(("Last good:", "No checkpoint here"))]
    assert len(answers) == (count if count <= 3 else 0)
    assert ("beside, in no run:" in scan_text(found, PLAIN).lower()) is bool(beside)


def test_of_many_runs_those_in_trouble_are_shown() -> None:
    folders = [folder(f"lr_{n:02d}", corrupt=2 * (n in (31, 35))) for n in range(40)]
    folders[33] = folder("lr_33", corrupt=4)
    found = several(*folders)
    lines = lines_of(found)
    assert "  run   healthy last good   epoch  iou what is wrong" in lines
    assert "✓ lr_00 4 of 4  epoch_4.pth     4 0.54" in lines
    assert "! lr_31 2 of 4  epoch_2.pth     2 0.52 CD201 NaN in weights, 2 files" in lines
    assert "✗ lr_33 0 of 4  none                   CD201 NaN in weights, 4 files" in lines
    assert any(line.startswith("! lr_35") for line in lines)
    assert [line for line in lines if line.startswith("Next:")] == [
        "Next:      ckptdoctor plan --run lr_31",
        "Next:      ckptdoctor plan --run lr_35",
    ]
    shown = sum(line[:1] in ("✓", "!", "✗") for line in lines)
    hidden = 40 - shown
    assert f"  … and {hidden} more runs, {hidden} of them well (-v lists all)" in lines
    loud = lines_of(found, LOUD)
    assert sum(line.startswith("Last good:") for line in loud) == 40
    assert sum(line[:2] in ("✓ ", "! ", "✗ ") for line in loud) == 40 + 160


def test_quiet_is_a_line_a_run() -> None:
    def fell(run: RunReport) -> RunReport:
        if run.name != "b":
            return run
        return replace(run, findings=(finding("CD408", "m", "run", Severity.WARNING),) * 2)

    found = told_of(several(folder("a"), folder("b", corrupt=1), folder("c", corrupt=4)), fell)
    assert lines_of(found, QUIET) == [
        "12 checkpoints, 3 runs, 12 kB: 7 healthy, 5 corrupt",
        "a: last good runs/a/epoch_4.pth (healthy, iou 0.54)",
        "b: last good runs/b/epoch_3.pth (healthy, iou 0.53); CD408 no recent backup",
        "c: none is fit to go on from",
    ]


@pytest.mark.parametrize(
    ("scale", "set_lr", "words"),
    [
        (0.75, None, "restored from epoch_4.pth, rates × 0.75"),
        (1.0, None, "restored from epoch_4.pth"),
        (None, 0.001, "restored from epoch_4.pth, rate 0.001"),
        (None, None, "restored from epoch_4.pth"),
    ],
)
def test_a_copy_says_what_it_was_made_from(
    scale: float | None, set_lr: float | None, words: str
) -> None:
    made = RestoredFrom(
        source=Path("runs/a/epoch_4.pth"), epoch=4, scale=scale, set_lr=set_lr, actions=()
    )
    copy = replace(report("runs/a/best_model_clean.pth", 4, score(0.54)), restored=made)
    (line,) = [
        line
        for line in lines_of(several([*folder("a"), copy]), replace(PLAIN, width=120))
        if "best_model_clean" in line
    ]
    assert line.endswith(f"healthy {words}")


def test_rows_of_long_names_differ() -> None:
    rows = [
        report(f"runs/{'segformer_b5_' * 5}epoch_{n:04d}_val_miou_0.{7000 + n}.pth", n, score(0.7))
        for n in range(1, 9)
    ]
    for text in (scan_text(several(rows), PLAIN), rank_text(several(rows), PLAIN)):
        for n in range(1, 9):
            assert text.count(f"epoch_{n:04d}_") + text.count(f"{n:04d}_val") >= 1


def test_files_alone_are_no_run_and_nothing_lies_beside() -> None:
    rows = tuple(
        report(f"{name}.pth", verdict=Verdict.UNREADABLE, codes=("CD101",)) for name in "ab"
    )
    text = scan_text(Report(checkpoints=rows), PLAIN)
    assert "beside" not in text
    assert "! a.pth" in text


@each("case", CASES)
@each("screen", [PLAIN, LOUD, QUIET])
def test_names_from_files_draw_nothing(case: str, screen: Screen) -> None:
    for text in (scan_text(CASES[case](), screen), rank_text(CASES[case](), screen)):
        assert text.replace("\n", "").isprintable() or not text
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_the_name_of_a_run_is_printed_as_text() -> None:
    text = scan_text(runs(), replace(PLAIN, width=200))
    assert "<b>|`*_[x](y) \\x1b[2J\\u202e::error::x %0A {{ 7 * 7 }} @all ]]>: 4 healthy" in text
    assert ODD_RUN not in scan_text(runs(), QUIET)
    coloured = scan_text(runs(), Screen(width=80, colour=True))
    assert "\x1b[2J" not in coloured
    assert "\x1b[1m" in coloured
    assert "\x1b[2J" not in scan_text(hostile(), Screen(width=80, colour=True))


def test_rank_is_grouped_by_run() -> None:
    text = rank_text(several(folder("a"), folder("b", corrupt=4)), PLAIN)
    a, b = text.index("a\n"), text.index("\nb\n")
    assert text[a:b].count("✓") == 4
    assert "No checkpoint here is fit to go on from." in text[b:]
    quiet = rank_text(several(folder("a"), folder("b")), QUIET)
    assert quiet.count("✓") == 2


def test_a_long_finding_hangs_below_its_code_and_no_word_is_broken() -> None:
    one = finding("CD201", "some words " * 20, "first.weight")
    row = replace(report("a.pth", 3, verdict=Verdict.CORRUPT), findings=(one,))
    found = with_last_good(Report(checkpoints=(row,)))
    lines = scan_text(found, Screen(width=60, colour=False, verbosity=1)).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("  CD201 error"))
    rest = list(takewhile(lambda line: line.startswith("    "), lines[start + 1 :]))
    assert len(rest) > 2
    assert {word for line in rest for word in line.split()} == {"some", "words"}


def test_scores_stand_with_their_points_below_each_other() -> None:
    rows = [report(f"e{at}.pth", at, score(v)) for at, v in enumerate((0.5, 12.25, 3, math.nan))]
    lines = lines_of(with_last_good(Report(checkpoints=tuple(rows))))
    shown = [next(line for line in lines if line.startswith(f"✓ e{at}.pth")) for at in range(4)]
    assert len({line.index(".", line.index(".pth") + 1) for line in shown[:2]}) == 1
    point = shown[0].index(".", shown[0].index(".pth") + 1)
    assert shown[2][point - 1 : point + 1] == "3 "
    assert len({line.index(row.verdict.value) for line, row in zip(shown, rows, strict=True)}) == 1


def test_what_a_sum_in_a_row_means_stands_below() -> None:
    codes = ("CD201", "CD202", "CD301")
    rows = [report("a.pth", 1, verdict=Verdict.CORRUPT, codes=codes), report("b.pth", 2)]
    lines = lines_of(with_last_good(Report(checkpoints=tuple(rows))))
    assert any(line.endswith("CD201 NaN in weights +2") for line in lines)
    assert "  +2: 2 other codes as well (-v tells all)" in lines
    assert not any(
        line.startswith("  +")
        for line in lines_of(
            with_last_good(Report(checkpoints=tuple(report(f"{at}.pth", at) for at in range(2))))
        )
    )


@pytest.mark.parametrize("draw", [scan_text, rank_text])
def test_on_a_narrow_screen_each_file_is_an_item_of_a_list(
    draw: Callable[[Report, Screen], str],
) -> None:
    lines = draw(collapse(), Screen(width=40, colour=False)).splitlines()
    start = next(
        at
        for at, line in enumerate(lines)
        if (line.endswith("epoch_88.pth") and at > 2) or line.endswith("1. epoch_88.pth")
    )
    assert lines[start + 1].startswith("  epoch 88")
    below = lines[start:]
    assert all(len(line) <= 40 for line in below)
    assert all(len(line) > 4 for line in below if line)
