"""Markdown, read back by a parser of CommonMark with tables: text from files stays text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.render.machine.markdown import scan_markdown
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from tests.render.outputs import HOSTILE, LONG, collapse, finding, hostile, runs
from tests.reports import report, with_last_good

COMMENT_CHARS = 65_536
OURS = {"<code>", "</code>"}


def inline(text: str) -> list[Token]:
    """The tokens within the blocks, code blocks left out."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    for block in blocks:
        if block.type == "html_block":
            left = re.sub(r"</?(details|summary|code)>", "", block.content)
            assert not re.search(r"<[a-z/!?]", left), block.content
    return [token for block in blocks for token in block.children or ()]


def test_it_answers_first() -> None:
    text = scan_markdown(collapse())
    head = text.partition("|")[0]
    assert "6 checkpoints" in head
    assert r"**Last good:** <code>checkpoints/epoch\_88.pth</code> (healthy, iou 0.6413)" in head
    assert "```sh\n" in head
    assert "ckptdoctor plan checkpoints\n" in head
    assert "- **CD408** warning: the newest healthy one lies 8 behind" in head


def test_several_runs_have_a_section_each() -> None:
    text = scan_markdown(runs())
    sections = text.split("\n#### ")
    assert len(sections) == 3
    assert "ckptdoctor plan runs\n" in sections[1]
    assert "- **CD402** error: iou collapsed" in sections[1]
    assert "restored from epoch\\_3.pth, rates × 0.75" in sections[1]
    assert sections[2].startswith("<code>plain</code>\n")
    assert "(healthy, iou 0.63; log: plain.log)" in sections[2]
    assert "**Beside, in no run:**" in sections[2]
    assert "- Note: " in sections[2]
    assert {token.content for token in inline(text) if token.type == "html_inline"} <= OURS


def test_any_number_of_runs_fits_a_comment() -> None:
    rows = tuple(
        report(f"runs/{'r' * 150}{n}/{'e' * 150}_{epoch}.pth", epoch)
        for n in range(300)
        for epoch in range(4)
    )
    found = replace(with_last_good(Report(checkpoints=rows)), notes=("*" * 900,) * 50)
    text = scan_markdown(found)
    assert len(text) < COMMENT_CHARS
    assert re.search(r"… and \d+ more runs", text)


def test_findings_are_folded_by_code() -> None:
    text = scan_markdown(collapse())
    assert "epoch\\_98.pth</code>: 6 errors, 1 note</summary>" in text
    assert "432 of 432 elements are NaN (and 4 more like it)" in text
    assert text.count("<details>") == text.count("</details>") == 2


def test_text_from_files_is_text() -> None:
    text = scan_markdown(hostile())
    tokens = inline(text)
    assert {token.type for token in tokens} <= {
        *("text", "text_special", "softbreak", "html_inline"),
        *("strong_open", "strong_close"),
    }
    assert {token.content for token in tokens if token.type == "html_inline"} <= OURS
    shown = "".join(token.content for token in tokens).replace("\u200b", "")
    for name in HOSTILE:
        assert printable(name) in shown, name


def test_tables_keep_their_cells() -> None:
    rows = [line for line in scan_markdown(hostile()).splitlines() if line.startswith("| ")]
    assert len(rows) == 18
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


def test_nobody_is_called_and_nothing_is_linked() -> None:
    text = scan_markdown(hostile()).split("```")
    prose = text[0] + text[2]  # GitHub looks for names and links in prose, not in code blocks
    assert "@everyone" not in prose
    assert "#1" not in prose
    assert "https://" not in prose
    assert "www.forged" not in prose


@pytest.mark.slow
def test_it_fits_a_comment() -> None:
    many = tuple(
        replace(
            report(f"{'[' * 500}_{n}.pth", n, verdict=Verdict.CORRUPT),
            findings=tuple(finding(f"CD{code}", "*" * 900, "_" * 900) for code in range(100, 140)),
        )
        for n in range(500)
    )
    run = tuple(finding(f"CD{code}", "*" * 900, "run", Severity.INFO) for code in range(100, 200))
    text = scan_markdown(with_last_good(Report(checkpoints=many, findings=run)))
    assert len(text) < COMMENT_CHARS
    assert re.search(r"… and \d+ more checkpoints", text)
    assert re.search(r"… and the findings of \d+ more files", text)


def test_a_command_that_does_not_fit_is_left_out() -> None:
    rows = (report(str(LONG), 1), report("b.pth", 2, verdict=Verdict.CORRUPT))
    text = scan_markdown(with_last_good(Report(checkpoints=rows)))
    assert "**Last good:**" in text
    assert "```" not in text


def test_it_says_when_there_is_nothing() -> None:
    assert "Nothing to examine." in scan_markdown(Report())
    broken = with_last_good(Report(checkpoints=(report("a.pth", verdict=Verdict.CORRUPT),)))
    assert "**No checkpoint here is fit to go on from.**" in scan_markdown(broken)


def test_it_says_when_a_rule_of_ours_failed() -> None:
    assert "**1 check of our own failed**" in scan_markdown(hostile())
