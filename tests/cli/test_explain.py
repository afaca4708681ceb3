"""``ckptdoctor explain``: every code has a page, and an unknown one leads to the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.rules import ALL_RULES, FAMILIES, find_rule
from tests.cli.support import ANSI, run
from tests.each import each


def test_without_a_code_every_code_is_listed() -> None:
    outcome = run("explain")
    assert outcome.code == 0
    assert outcome.stderr == ""
    for rule in ALL_RULES:
        assert f"  {rule.code}  {rule.severity.label:<8}{rule.title()}\n" in outcome.stdout
    assert all(family in outcome.stdout for family in FAMILIES.values())
    assert all(len(line) <= 80 for line in outcome.stdout.splitlines())


@each(
    "rule",
    ALL_RULES,
)
def test_a_page_says_what_it_means_and_what_to_do(rule: type) -> None:
    from ckptdoctor.render.console.screen import Screen
    from ckptdoctor.render.explain import explain_text

    page = explain_text([rule], Screen(width=80, colour=False))
    lines = page.splitlines()
    assert lines[0] == f"{rule.code} {rule.severity.label}  {rule.title()}"  # type: ignore[attr-defined]
    assert "What to do:" in lines
    assert len(lines) <= 22
    assert all(len(line) <= 80 for line in lines)
    assert "``" not in page
    assert len(page.split()) > 35


@pytest.mark.parametrize("spelling", ["CD201", "cd201", "201", " CD201 "])
def test_a_code_may_be_spelled_as_one_likes(spelling: str) -> None:
    assert find_rule(spelling).code == "CD201"
    assert run("explain", spelling).stdout.startswith("CD201 error  NaN in the weights\n")


@pytest.mark.parametrize(
    ("code", "nearest"), [("CD211", "CD201"), ("CD2O1", "CD201"), ("C410", "CD410")]
)
def test_an_unknown_code_leads_to_the_nearest(code: str, nearest: str) -> None:
    outcome = run("explain", code)
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert f"the nearest is {nearest}" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("code", ["", "x", "\x1b[31m", "💥" * 500])
def test_nonsense_is_a_usage_error(code: str) -> None:
    with pytest.raises(UsageError, match="is no code of a finding"):
        find_rule(code)
    outcome = run("explain", code)
    assert outcome.code == 2
    assert not ANSI.search(outcome.stderr)


def test_a_word_that_is_near_no_code_is_led_nowhere() -> None:
    told = run("explain", "xyzzy").stderr
    assert "nearest" not in told
    assert told.endswith("All of them: ckptdoctor explain\n")


def test_the_beginning_of_codes_names_all_of_them() -> None:
    told = run("explain", "cd40").stdout
    assert [line.split()[0] for line in told.splitlines() if line.startswith("  CD")] == [
        rule.code for rule in ALL_RULES if rule.code.startswith("CD40")
    ]


def test_several_codes_as_json(tmp_path: Path) -> None:
    outcome = run("explain", "201", "CD410", "--format", "json", env={"FORCE_COLOR": "1"})
    assert outcome.code == 0
    assert [rule["code"] for rule in outcome.json["rules"]] == ["CD201", "CD410"]
    assert outcome.json["rules"][0]["family"] == "Model tensors"
    assert run("explain", "--format", "json").json["rules"][-1]["code"] == ALL_RULES[-1].code
    target = tmp_path / "page.txt"
    assert run("explain", "CD201", "-o", target).stdout == ""
    assert target.read_text().startswith("CD201 error")


def test_explaining_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from ckptdoctor.__main__ import run; assert run(['explain', 'CD201']) == 0; "
        "assert not {'torch', 'numpy', 'ckptdoctor.scanning.libtorch'} & set(sys.modules)"
    )
    assert run(code=code).code == 0
