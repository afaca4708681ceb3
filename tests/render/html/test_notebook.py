"""The piece of HTML that a notebook shows: what stands in it, and what never does."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.render.html.notebook import report_fragment
from ckptdoctor.report import CheckpointReport, Crash, Report
from tests.render.outputs import runs
from tests.reports import metric, report, with_last_good

HOSTILE = "<script>alert(1)</script>&\"'\x1b[2J\u202e{{ 7*7 }}"
THEME = re.compile(r"^(body|html)(\[[^\]]+\]|\.vscode-[a-z-]+) ")
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """What a browser makes of the fragment; a tag that is not closed is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def rows(self) -> int:
        return sum(tag == "tr" for tag, _ in self.tags) - 1  # one is the header


def story() -> Report:
    """Two good epochs, a corrupt one, and a finding about the run."""
    broken = report("run/epoch_98.pth", 98, metric(0.6413), Verdict.CORRUPT, codes=("CD201",))
    note = Finding(code="CD105", severity=Severity.INFO, subject="x", message="a class")
    broken = replace(broken, findings=(note, *broken.findings))
    stale = Finding(
        code="CD408", severity=Severity.WARNING, subject="run", message="no recent backup"
    )
    rows = [
        report("run/epoch_85.pth", 85, metric(0.6408)),
        report("run/epoch_88.pth", 88, metric(0.6413)),
        broken,
    ]
    asked = Asked(paths=(Path("run"),))
    return with_last_good(Report(checkpoints=tuple(rows), findings=(stale,)), asked)


def test_it_answers_what_to_go_on_from() -> None:
    page = Page(report_fragment(story()))
    assert "3 checkpoints, 3.0 kB: 2 healthy, 1 corrupt" in page.text
    assert "Last good: run/epoch_88.pth (healthy, the first to hold best_iou 0.6413)" in page.text
    assert "Next: ckptdoctor plan run" in page.text
    assert "warning: CD408 no recent backup" in page.text
    assert page.rows() == 3
    assert "✗ epoch_98.pth 98 best_iou 0.6413 corrupt 1 error, 1 note CD201" in page.text
    assert "healthy ← last good" in page.text


def test_it_is_a_fragment_that_stays_within_its_cell() -> None:
    html = report_fragment(story())
    names = [tag for tag, _ in Page(html).tags]
    assert names[0] == "div"
    assert names.count("style") == 1
    assert not {"html", "head", "body", "script", "link", "img", "iframe", "form", "a"} & set(names)
    assert "url(" not in html
    assert "@import" not in html
    style = html.partition("<style>")[2].partition("</style>")[0]
    for rule in re.findall(r"([^{}]+)\{", style):
        for selector in rule.split(","):
            own = THEME.sub("", selector.strip())
            assert own.startswith(".ckptdoctor-report"), selector
    used = {
        name for _, attrs in Page(html).tags for name in (attrs.get("class") or "").split() if name
    }
    assert all(name.startswith("ckptdoctor-") for name in used)


def test_hostile_text_stays_text() -> None:
    finding = Finding(code="CD201", severity=Severity.ERROR, subject=HOSTILE, message=HOSTILE)
    rows = (
        report(f"{HOSTILE}.pth", 1, metric(1.0, name=HOSTILE)),
        replace(report("b.pth", 2, verdict=Verdict.CORRUPT), findings=(finding,)),
    )
    html = report_fragment(with_last_good(Report(checkpoints=rows, findings=(finding,))))
    page = Page(html)
    assert "script" not in [tag for tag, _ in page.tags]
    assert "<script>alert(1)" in page.text
    assert "{{ 7*7 }}" in page.text
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert r"\u202e" in html


def test_huge_texts_are_cut() -> None:
    row = report("d/" + "x" * 100_000 + ".pth", 1, metric(1.0, name="m" * 100_000))
    finding = Finding(code="CD407", severity=Severity.INFO, subject="run", message="y" * 100_000)
    assert len(report_fragment(Report(checkpoints=(row,), findings=(finding,) * 500))) < 20_000


def test_a_long_run_shows_its_newest_rows_and_the_last_good_one() -> None:
    rows = [report(f"epoch_{n}.pth", n, verdict=Verdict.CORRUPT) for n in range(1000)]
    rows[3] = report("epoch_3.pth", 3)
    page = Page(report_fragment(with_last_good(Report(checkpoints=tuple(rows)))))
    assert page.rows() == 201
    assert page.text.count("epoch_3.pth") == 3  # last good, next, its row
    assert "epoch_4.pth" not in page.text
    assert "epoch_999.pth" in page.text
    assert "and 799 earlier ones" in page.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (Report(checkpoints=(report("a.pth", 1, verdict=Verdict.CORRUPT),)), "No checkpoint here"),
        (
            Report(crashes=(Crash(rule="Some", path=Path("a"), error="Traceback"),)),
            "1 of our own checks failed",
        ),
        (Report(), "0 checkpoints"),
    ],
)
def test_it_says_what_is_wrong(changed: Report, said: str) -> None:
    assert said in Page(report_fragment(changed)).text


def test_a_healthy_run_needs_no_next_command() -> None:
    rows: tuple[CheckpointReport, ...] = (report("a.pth", 1), report("b.pth", None))
    page = Page(report_fragment(with_last_good(Report(checkpoints=rows))))
    assert "Next:" not in page.text
    assert "2 healthy" in page.text


def test_several_runs_have_an_answer_and_a_table_each() -> None:
    page = Page(report_fragment(runs()))
    assert [tag for tag, _ in page.tags].count("table") == 3  # and one for what lies beside
    assert (
        "plain Last good: runs/plain/epoch_3.pth (healthy, iou 0.63; log: plain.log)" in page.text
    )
    assert "Next: ckptdoctor plan runs" in page.text
    assert "Beside, in no run" in page.text
    assert "restored from epoch_3.pth, rates × 0.75" in page.text
    assert "note:" in page.text
    assert "{{ 7 * 7 }}" in page.text
    html = report_fragment(runs())
    assert "\u202e" not in html
    assert "\x1b" not in html


def test_many_runs_are_cut_and_counted() -> None:
    rows = tuple(report(f"runs/r{n}/{e}.pth", e) for n in range(60) for e in (1, 2))
    page = Page(report_fragment(with_last_good(Report(checkpoints=rows))))
    assert [tag for tag, _ in page.tags].count("table") == 50
    assert "… and 10 more runs" in page.text
