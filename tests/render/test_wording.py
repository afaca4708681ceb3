"""What is said of a log without a metric: what it holds, and how to choose."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.finding import Aside, Finding, SetAside, Severity, Verdict, Weighed
from ckptdoctor.histories import LogFacts
from ckptdoctor.render.wording import NOTHING, headline, label, reading_words, why_not_healthy
from ckptdoctor.report import CheckpointReport, TensorTotals
from tests.each import each


def test_a_log_without_a_metric_says_what_it_holds_and_how_to_choose() -> None:
    log = LogFacts(
        path=Path("runs/odd.log"), form="a table", encoding="utf-8", rows=3, names=("foo", "bar")
    )
    assert reading_words(log) == (
        "odd.log was read as a table, utf-8; it holds foo, bar; "
        "--metric NAME --mode max (or min) judges by one of them"
    )


def test_of_many_values_a_few_are_named_and_the_others_counted() -> None:
    many = LogFacts(path=Path("a.log"), names=tuple(f"v{n}" for n in range(10)))
    assert "v6, v7 and 2 more; --metric" in reading_words(many)


def test_a_log_that_holds_nothing_says_why() -> None:
    assert reading_words(LogFacts(path=Path("a.log"))) == f"a.log was read as a log; it {NOTHING}"
    aside = LogFacts(path=Path("a.log"), form="a table", reason="is of another run")
    assert reading_words(aside) == "a.log was read as a table; it is of another run"


def test_names_are_neutralised() -> None:
    words = reading_words(LogFacts(path=Path("a\x1b[1m.log"), names=("x\x1b[2J",)))
    assert "\x1b" not in words


def missing(name: str, **evidence: object) -> Finding:
    found = {"part": name, "role": "optimizer", "is_there": False} | evidence
    return Finding(
        code="CD111", severity=Severity.ERROR, subject=name, message="missing", evidence=found
    )


def test_of_one_part_that_is_missing_the_row_says_which() -> None:
    assert headline([missing("sub/optimizer.pt")]) == "CD111 no optimizer.pt"
    assert headline([missing("a.pt"), missing("b.pt")]) == "CD111 part missing ×2"
    assert headline([missing("a.pt", is_there=True)]) == "CD111 part missing"  # it is another's


def found(code: str, severity: Severity, was: Severity | None = None) -> Finding:
    weighed = None if was is None else Weighed(was=was, by="pyproject.toml")
    return Finding(code=code, severity=severity, subject="file", message="odd", weighed=weighed)


def of(
    verdict: Verdict, *findings: Finding, count: int = 0, aside: Finding | None = None
) -> CheckpointReport:
    set_aside = (
        () if aside is None else (SetAside(finding=aside, why=Aside.IGNORED, by="--ignore"),)
    )
    return CheckpointReport(
        path=Path("a.pth"),
        verdict=verdict,
        tensors=TensorTotals(count=count),
        findings=findings,
        set_aside=set_aside,
    )


LIMIT = found("CD204", Severity.WARNING)


@each(
    ("row", "said"),
    [
        (of(Verdict.HEALTHY), ""),
        (of(Verdict.SUSPECT, count=2), "no model weights"),
        (of(Verdict.SUSPECT), "no tensors"),
        (of(Verdict.SUSPECT, found("CD101", Severity.INFO), count=2), "no model weights"),
        (of(Verdict.SUSPECT, LIMIT), label("CD204")),
        (of(Verdict.SUSPECT, aside=LIMIT), f"{label('CD204')} (set aside)"),
        (of(Verdict.SUSPECT, found("CD204", Severity.INFO, was=Severity.WARNING)), label("CD204")),
        (of(Verdict.HEALTHY, aside=LIMIT), ""),
    ],
)
def test_what_is_not_healthy_says_why(row: CheckpointReport, said: str) -> None:
    assert why_not_healthy(row) == said
