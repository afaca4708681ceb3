"""Rules of other packages: those that are of the kind run, the others are left out, and say why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ckptdoctor import Severity
from ckptdoctor.plugins import Plugin
from ckptdoctor.rules import Rule, added
from ckptdoctor.rules.added import added_rules, package_of
from ckptdoctor.rules.weights import NanInWeights


def rule(**more: object) -> type[Rule]:
    """A rule of somebody's, sound but for what is given; None takes that out."""
    named = {"code": "ABC001", "severity": Severity.INFO, "label": "mine", "__doc__": "Mine."}
    return type("Mine", (Rule,), {k: v for k, v in (named | more).items() if v is not None})


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Plugin]]:
    """What is installed: to be filled before the rules are asked for."""
    installed: list[Plugin] = []
    monkeypatch.setattr(added, "plugins_of", lambda _: installed)
    added_rules.cache_clear()
    yield installed
    added_rules.cache_clear()


def plugin(value: object, package: str = "other 2.3") -> Plugin:
    return Plugin(
        name="mine",
        group="ckptdoctor.rules",
        package=package,
        where="entry_points.txt",
        value=value,
    )


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (7, "7 is no rule"),
        (rule, "is no rule"),
        (Severity, "is no rule"),
        (type("Mine", (NanInWeights,), {"__doc__": "Mine."}), "take two to eight capitals"),
        *(
            (rule(code=code), "take two to eight capitals")
            for code in (
                None,
                101,
                "",
                "CD001",
                "A001",
                "ABCDEFGHI001",
                "ABC01",
                "ABC0011",
                "abc001",
            )
        ),
        (rule(code="AB001"), "another rule has the code AB001"),
        (rule(severity=None), "has no severity"),
        (rule(severity="info"), "has no severity"),
        (rule(label=None), "has no label, or no docstring"),
        (rule(__doc__=" "), "has no label, or no docstring"),
    ],
)
def test_what_is_no_rule_is_left_out_and_says_why(
    install: list[Plugin], bad: object, why: str
) -> None:
    first, last = rule(code="AB001"), rule(code="ABCDEFGH999")
    install += [plugin(first), plugin(bad), plugin((last,), "another 1.0")]
    assert added_rules() == (first, last)
    assert why in install[1].error
    assert [install[0].error, install[2].error] == ["", ""]


def test_several_of_a_package_are_all_its_own(install: list[Plugin]) -> None:
    one, two, three = (rule(code=f"ABC00{n}") for n in range(3))
    install += [plugin([one, two]), plugin(three, "another 1.0")]
    assert added_rules() == (one, two, three)
    assert [package_of(each) for each in (one, two, three)] == ["other 2.3"] * 2 + ["another 1.0"]
    assert package_of(NanInWeights) == ""


def test_what_could_not_be_imported_is_passed_over(install: list[Plugin]) -> None:
    broken = plugin(None)
    broken.fail("no module named nothing")
    mine = rule()
    install += [broken, plugin(mine)]
    assert added_rules() == (mine,)
    assert broken.error == "no module named nothing"
