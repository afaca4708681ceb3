"""Which findings count: the more exact code wins, verdicts never move, code is never hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.finding import Aside, Finding, Severity, Verdict
from ckptdoctor.report import Report
from ckptdoctor.selection.codes import checked
from ckptdoctor.selection.from_settings import policy_of
from ckptdoctor.selection.path_patterns import is_meant
from ckptdoctor.selection.policy import Listed, Policy, settled
from ckptdoctor.settings.settings import Origin, Setting, Settings
from tests.each import each
from tests.render.outputs import WRITERS, collapse
from tests.reports import report


def finding(code: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code=code, severity=severity, subject="x", message="m")


def shown(policy: Policy, *codes: str) -> list[str]:
    row = report("runs/old/a.pth", 1)
    kept, aside = policy.judged([finding(code) for code in codes], row)
    assert len(kept) + len(aside) == len(codes)
    return [one.code for one in kept]


def listed(*codes: str, found: bool = False) -> Listed:
    return Listed(codes=codes, where="here", is_found=found)


def test_the_more_exact_code_wins_and_ignoring_where_they_are_equal() -> None:
    policy = Policy(select=listed("CD2", "CD301"), ignore=listed("CD201", "CD3", "CD2"))
    assert shown(policy, "CD201", "CD202", "CD301", "CD302", "CD401") == ["CD301"]
    policy = Policy(select=listed("CD201"), ignore=listed("CD2"))
    assert shown(policy, "CD201", "CD202") == ["CD201"]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(ignore=listed("CD", found=True)),
        Policy(select=listed("CD4", found=True)),
        Policy(severity=((listed("CD1", found=True), Severity.INFO),)),
    ],
)
def test_a_file_that_nobody_named_never_hides_code(policy: Policy) -> None:
    kept, _ = policy.judged([finding("CD106"), finding("CD105")], report("a.pth", 1))
    assert [(one.code, one.severity) for one in kept if one.code == "CD106"] == [
        ("CD106", Severity.ERROR)
    ]
    assert shown(Policy(ignore=listed("CD106")), "CD106") == []


def test_the_most_exact_severity_counts() -> None:
    policy = Policy(severity=((listed("CD201"), Severity.WARNING), (listed("CD2"), Severity.INFO)))
    kept, _ = policy.judged([finding("CD201"), finding("CD202")], report("a.pth", 1))
    assert [one.severity for one in kept] == [Severity.WARNING, Severity.INFO]


def test_verdict_ranking_and_next_do_not_move() -> None:
    before = collapse()
    after = settled(before, Policy(ignore=listed("CD")))
    assert list(after.all_findings()) == []
    assert len(after.set_aside) == len([*before.all_findings()])
    assert [row.verdict for row in after.checkpoints] == [row.verdict for row in before.checkpoints]
    assert after.last_good == before.last_good
    assert after.next == before.next
    assert after.worst() is None
    reasons = [(one.rank, one.report.path, one.usable, one.reason) for one in before.ranking]
    assert [(one.rank, one.report.path, one.usable, one.reason) for one in after.ranking] == reasons
    assert any(row.verdict is Verdict.CORRUPT for row in after.checkpoints)


@each("name", WRITERS)
def test_every_output_says_what_does_not_count(name: str) -> None:
    found = settled(collapse(), Policy(ignore=listed("CD201")))
    text = WRITERS[name](found)
    told = {
        "json": '"count": 5',
        "jsonl": '"count": 5',
        "csv": ",ignored,lowered\r\n",
        "sarif": '"justification": "ignored: here"',
    }
    assert told.get(name, "5 findings not counted: 5 × CD201 (ignored by here)") in text
    if name == "csv":
        assert [line[-4:] for line in text.splitlines()[1:]].count(",5,0") == 1


@each("name", WRITERS)
def test_every_output_says_what_counts_less(name: str) -> None:
    """A file of settings that was found may make errors infos; whoever reads has to know."""
    lower = Policy(severity=((listed("CD201"), Severity.INFO), (listed("CD405"), Severity.ERROR)))
    before, found = collapse(), settled(collapse(), lower)
    assert found.settings == ""
    text = WRITERS[name](found)
    told = {
        "json": '"lowered": {\n      "CD201": 5\n    }',
        "jsonl": '"lowered": {"CD201": 5}',
        "csv": ",0,5\r\n",
        "sarif": '"was": "error",',
    }
    said = told.get(name, "5 findings are lower by here: 5 × CD201 (error to info)")
    assert said in text
    assert said not in WRITERS[name](before)


def test_a_finding_that_counts_more_or_not_at_all_is_not_called_lower() -> None:
    row = report("a.pth", 1)
    raised = Policy(severity=((listed("CD2"), Severity.ERROR),))
    kept, _ = raised.judged([finding("CD201", Severity.INFO), finding("CD202")], row)
    assert not any(one.is_lowered for one in kept)
    assert [one.weighed is None for one in kept] == [False, True]
    both = Policy(ignore=listed("CD2"), severity=((listed("CD2"), Severity.INFO),))
    kept, aside = both.judged([finding("CD201")], row)
    assert (kept, len(aside)) == ((), 1)


def test_a_name_in_a_setting_forges_nothing() -> None:
    wild = Listed(codes=("CD201",), where="::error::\x1b[2J<blink>|`")
    found = settled(collapse(), Policy(ignore=wild))
    for name, write in WRITERS.items():
        text = write(found)
        assert "\x1b" not in text, name
        assert not [line for line in text.splitlines() if line.startswith("::error::")], name
    assert "<blink>" not in WRITERS["html"](found)


def test_codes_that_are_none_are_refused_with_the_nearest() -> None:
    assert checked(["cd2", " CD301"], "--select") == ("CD2", "CD301")
    with pytest.raises(UsageError, match=r"^--ignore: 'CD210' is no code .*did you mean CD2"):
        checked(["CD210"], "--ignore")
    with pytest.raises(UsageError, match="no code"):
        checked([""], "--ignore")


@each(
    ("pattern", "path", "meant"),
    [
        ("old", "runs/old/a.pth", True),
        ("old/", "runs/old/a.pth", True),
        ("old", "runs/older/a.pth", False),
        ("runs/old", "runs/old/deep/a.pth", True),
        ("runs/old/**", "runs/old/a.pth", True),
        ("old/a.pth", "runs/old/a.pth", False),
        ("**/a.pth", "runs/old/a.pth", True),
        ("**/a.pth", "a.pth", True),
        ("runs/*/a.pth", "runs/x/a.pth", True),
        ("runs/*/a.pth", "runs/x/y/a.pth", False),
        ("*.pth", "runs/x/y/a.pth", True),
        ("./runs", "runs/a.pth", True),
        ("/runs", "runs/a.pth", False),
        ("", "a.pth", False),
        ("/", "a.pth", False),
        ("[ab].pth", "runs/b.pth", True),
    ],
)
def test_patterns_of_paths_are_those_of_a_gitignore(
    pattern: str, path: str, meant: bool, tmp_path: Path
) -> None:
    assert is_meant(pattern, tmp_path / path, tmp_path) is meant


def setting(value: object, origin: Origin) -> Setting:
    return Setting(value=value, origin=origin, where=origin.value)  # type: ignore[arg-type]


def test_a_selection_of_a_stronger_place_leaves_weaker_ignores_aside() -> None:
    values = {
        "select": setting(("CD201",), Origin.COMMAND_LINE),
        "ignore": setting(("CD201",), Origin.FOUND_FILE),
        "per-path-ignores": setting((("*.pth", ("CD201",)),), Origin.FOUND_FILE),
    }
    assert shown(policy_of(Settings(values=values)), "CD201") == ["CD201"]
    values["ignore"] = setting(("CD201",), Origin.COMMAND_LINE)
    assert shown(policy_of(Settings(values=values)), "CD201") == []


def test_codes_are_ignored_in_the_files_that_are_meant() -> None:
    values = {"per-path-ignores": setting((("runs/old", ("CD2",)),), Origin.FOUND_FILE)}
    policy = policy_of(Settings(values=values))
    rows = [report("runs/old/a.pth", 1), report("runs/new/a.pth", 2)]
    found = settled(
        Report(checkpoints=tuple(replace(row, findings=(finding("CD201"),)) for row in rows)),
        policy,
    )
    assert [len(row.findings) for row in found.checkpoints] == [0, 1]
    assert [one.why for one in found.set_aside] == [Aside.IGNORED]
