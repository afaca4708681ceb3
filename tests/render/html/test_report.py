"""The page: what stands in it, what never does, and how it looks in a real browser."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
import torch

import ckptdoctor
from ckptdoctor.finding import Verdict
from ckptdoctor.render.html.report import scan_html
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from tests.builders import save
from tests.render.browser import CHROMIUM, Browser, browser
from tests.render.html.own_script import without_our_script
from tests.render.outputs import (
    CASES,
    HOSTILE,
    LONG,
    ODD_RUN,
    collapse,
    finding,
    healthy,
    hostile,
    runs,
)
from tests.reports import metric, report, score, with_last_good

VOID = {"meta", "br", "img", "link", "input", "hr"}
KNOWN = set(
    """
    html head meta title style body main header footer section div h1 h2 h3 h4 p dl dt dd ul li b
    code pre span a table caption thead tbody tr th td details summary figure figcaption
    svg path circle text g desc
    """.split()
)


class Page(HTMLParser):
    """The tags and texts of a page; a tag that is not closed is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_it_answers_first() -> None:
    text = Page(scan_html(collapse())).text
    assert "Go on from epoch 88. Last good checkpoints/epoch_88.pth Why healthy, iou 0.6413" in text
    assert "3 healthy 1 suspect 1 corrupt 1 unreadable" in text
    assert "warning CD408 no recent backup the newest healthy one lies 8 behind" in text


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (Report(), "There is nothing here to examine."),
        (healthy(), "The checkpoint is healthy."),
        (
            with_last_good(Report(checkpoints=(report("a.pth"), report("b.pth")))),
            "All checkpoints are healthy.",
        ),
        (
            with_last_good(
                Report(checkpoints=(report("a.pth"), report("b.pth", verdict=Verdict.CORRUPT)))
            ),
            "Go on from this one.",
        ),
        (
            with_last_good(Report(checkpoints=(report("a.pth", verdict=Verdict.CORRUPT),))),
            "No checkpoint here is fit to go on from.",
        ),
    ],
)
def test_the_answer(found: Report, answer: str) -> None:
    assert f"<h1>{answer}</h1>" in scan_html(found)


def test_several_runs_have_a_section_and_a_plot_each() -> None:
    html = scan_html(runs())
    page = Page(html)
    odd = " ".join(printable(ODD_RUN).split())
    assert "Something is wrong in 1 of 2 runs." in page.text
    assert f"{odd} 4 healthy, 1 corrupt runs/" in page.text
    assert "plain 3 healthy runs/plain/epoch_3.pth healthy, iou 0.63" in page.text
    assert "Logs plain.log" in page.text
    assert "Not understood, or not believed" in page.text
    assert "runs/other.log was set aside" in page.text
    assert "Beside, in no run" in page.text
    assert "restored from epoch_3.pth, rates × 0.75" in page.text
    assert "Next ckptdoctor plan runs" in page.text
    plots = [attrs for tag, attrs in page.tags if attrs.get("role") == "img"]
    assert len(plots) == 4  # of each run a wide and a narrow one
    assert html.count('<g class="mark ') == 2 * (4 + 3)  # the copy is no score of its own
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {(attrs["href"] or "")[1:] for tag, attrs in page.tags if tag == "a"}
    assert {"run-1", "run-2"} <= links <= set(ids)


@pytest.mark.parametrize(
    ("verdicts", "answer", "look"),
    [
        ((Verdict.HEALTHY, Verdict.HEALTHY), "Nothing has to be done about these 2 runs.", "good"),
        ((Verdict.HEALTHY, Verdict.CORRUPT), "Something is wrong in 1 of 2 runs.", "mixed"),
        ((Verdict.CORRUPT, Verdict.CORRUPT), "No checkpoint here is fit to go on from.", "bad"),
    ],
)
def test_the_answer_of_several(verdicts: tuple[Verdict, Verdict], answer: str, look: str) -> None:
    rows = [
        report(f"runs/{name}/{n}.pth", n, verdict=verdict)
        for name, verdict in zip("ab", verdicts, strict=True)
        for n in (1, 2)
    ]
    html = scan_html(with_last_good(Report(checkpoints=tuple(rows))))
    assert f"<h1>{answer}</h1>" in html
    assert f'<div class="answer {look}">' in html


def test_the_ranking_tells_why() -> None:
    page = Page(scan_html(collapse()))
    assert page.count("tr") == 8  # two tables: the run, and what lies beside
    assert "1 epoch_88.pth healthy 88 0.6413 iou 0.6413" in page.text
    assert "12,345 NaN, 1 Inf" in page.text
    assert "All in checkpoints" in page.text


def test_findings_stand_by_file_and_the_ranking_leads_to_them() -> None:
    html = scan_html(collapse())
    page = Page(html)
    assert page.count("details") == 2
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {(link or "")[1:] for link in links} <= ids
    assert links == ["#file-1", "#file-2"]
    assert "×5" in page.text
    assert "What to do: use another" in page.text
    assert "What the codes mean CD101 Not a checkpoint" in page.text


def test_without_a_ranking_the_run_is_listed() -> None:
    found = replace(collapse(), runs=(), ranking=(), last_good=None)
    assert Page(scan_html(found)).count("tr") == 7


def test_metrics_of_several_names_are_named() -> None:
    rows = (report("a.pth", 1, score(0.5)), report("b.pth", 2, metric(0.25, name="loss")))
    text = Page(scan_html(Report(checkpoints=rows))).text
    assert "iou 0.5" in text
    assert "loss 0.25" in text


def test_many_findings_and_rows_are_cut_and_counted() -> None:
    lots = tuple(finding("CD201", "m", f"w{n}") for n in range(60))
    row = replace(report("a.pth", 1, verdict=Verdict.CORRUPT), findings=lots)
    text = Page(scan_html(Report(checkpoints=(row,)))).text
    assert "w49" in text
    assert "w50" not in text
    assert "… and 10 more findings" in text
    rows = tuple(replace(report(f"{n}.pth", n, score(0.5)), findings=lots[:1]) for n in range(600))
    text = Page(scan_html(with_last_good(Report(checkpoints=rows)))).text
    assert "… and 100 more" in text
    assert "… and the findings of 400 more files" in text


def test_hostile_text_stays_text() -> None:
    html = scan_html(hostile())
    page = Page(without_our_script(html))
    assert {tag for tag, _ in page.tags} <= KNOWN
    for name in HOSTILE:
        assert " ".join(printable(name).split()) in page.text, name
    assert "<script" not in without_our_script(html)
    assert "<img" not in html
    assert "\x1b" not in html
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize("case", CASES)
def test_it_asks_for_nothing_from_outside(case: str) -> None:
    html = without_our_script(scan_html(CASES[case]()))
    page = Page(html)
    policy = next(
        attrs["content"] or ""
        for tag, attrs in page.tags
        if tag == "meta" and "http-equiv" in attrs
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "url(" not in html
    assert "@import" not in html
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "iframe", "img", "form", "object")
        assert (attrs.get("href") or "#").startswith("#")
        assert not {name for name in attrs if name.startswith("on") or name in ("src", "style")}


def test_the_plot_is_described_in_words() -> None:
    html = scan_html(collapse())
    page = Page(html)
    plots = [attrs for tag, attrs in page.tags if attrs.get("role") == "img"]
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert len(plots) == 2
    for plot in plots:
        assert set((plot["aria-labelledby"] or "").split()) <= ids
    assert "Left out: 1 checkpoint whose iou is not finite." in page.text
    assert "best so far" in page.text
    assert "last good" in page.text


def test_a_run_without_a_finite_metric_says_so() -> None:
    rows = (report("a.pth", 1, score(float("nan"))),)
    page = Page(scan_html(Report(checkpoints=rows)))
    assert "1 checkpoint whose iou is not finite" in page.text
    assert page.count("figure") == 0


def test_tables_have_headers_for_every_column() -> None:
    html = scan_html(collapse())
    page = Page(html)
    tables = html.split("<table")[1:]
    assert len(tables) == 2
    for table in tables:
        rows = table.count("<tr") - 1
        assert table.count("<td") == rows * table.count("<th ")
    assert all(attrs.get("scope") == "col" for tag, attrs in page.tags if tag == "th")


def test_crashes_are_told() -> None:
    assert "1 of our own checks failed" in Page(scan_html(hostile())).text


def test_huge_texts_are_cut() -> None:
    row = replace(
        report(str(LONG), 1, score(1.0, name="m" * 10**6)),
        findings=tuple(finding("CD201", "y" * 10**6, "w" * 10**6) for _ in range(3)),
    )
    found = Report(checkpoints=(row,), findings=(finding("CD408", "z" * 10**6),))
    assert len(scan_html(found)) < 60_000


def schemes() -> Iterator[tuple[str, dict[str, str]]]:
    """The colours of each scheme by name."""
    page = (
        resources.files("ckptdoctor.render.html").joinpath("report.html.jinja").read_text("utf-8")
    )
    light = page.index(":root {")
    dark = page.index(":root {", light + 1)
    for name, at in (("light", light), ("dark", dark)):
        block = page[at : page.index("}", at)]
        yield name, dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})\b", block))


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("name", "colours"), list(schemes()))
def test_every_text_has_contrast(name: str, colours: dict[str, str]) -> None:
    inks = ["ink", "quiet", *(verdict.value for verdict in Verdict)]
    for ink in inks:
        for ground in ("page", "card"):
            light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {ground}, {name}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        browser(Path(profile)) as found,
    ):
        yield found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [360, 390, 768, 1000, 1280])
def test_it_fits_the_screen(case: str, width: int, chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(scan_html(CASES[case]()), encoding="utf-8")
    for dark in (False, True):
        chromium.show(page, width=width, dark=dark)
        chromium.value("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.complaints == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
def test_it_follows_the_scheme_of_the_reader(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(scan_html(collapse()), encoding="utf-8")
    grounds = []
    for dark in (False, True):
        chromium.show(page, width=1280, dark=dark)
        grounds.append(chromium.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(245, 246, 248)", "rgb(16, 19, 24)"]
    shown = "[...document.querySelectorAll('svg[role=img]')].map(one => one.clientWidth > 0)"
    assert chromium.value(shown) == [True, False]
    chromium.show(page, width=390)
    assert chromium.value(shown) == [False, True]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
def test_on_paper_no_dtype_and_no_figure_is_broken(chromium: Browser, tmp_path: Path) -> None:
    state = {f"model.layer{at}.a_rather_long_name_of_a_weight": torch.ones(9, 9) for at in (1, 2)}
    path = save(
        tmp_path / "a.pth", {"model": state, "optimizer": {"m": torch.full((40, 90), float("nan"))}}
    )
    page = tmp_path / "page.html"
    page.write_text(ckptdoctor.inspect(path, progress=False).to_html(), encoding="utf-8")
    chromium.show(page, width=720)
    chromium.ask("Emulation.setEmulatedMedia", media="print")
    try:
        lines = chromium.value(
            "[...document.querySelectorAll('td:nth-child(n+2) > span')]"
            ".filter(one => one.textContent).map(one => one.getClientRects().length)"
        )
        assert len(lines) > 12
        assert set(lines) == {1}
        assert chromium.value("document.documentElement.scrollWidth") <= 720
    finally:
        chromium.ask("Emulation.setEmulatedMedia", media="")
