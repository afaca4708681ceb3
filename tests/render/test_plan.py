"""Plans as text and as JSON."""

from __future__ import annotations

import json

import pytest

from ckptdoctor.recovery.lr_rules import parse_added
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.recovery.timeline import Timeline
from ckptdoctor.render.console.plan import plan_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.machine.plan import plan_json
from ckptdoctor.report import CheckpointReport, RunReport
from tests.recovery.test_command_line import GUIDE
from tests.recovery.test_plan import ranked
from tests.render.outputs import HOSTILE
from tests.reports import report, score

PLAIN = Screen(width=80, colour=False)


def one_run(*rows: CheckpointReport) -> RunReport:
    (run,) = ranked(*rows).runs
    return run


def made(**request: object) -> Plan:
    run = one_run(*(report(f"e{e}.pth", e, score(0.5 + e / 100)) for e in range(1, 12)))
    return make_plan(run, Request(**{"command": GUIDE, **request}))  # type: ignore[arg-type]


def test_the_recommended_command_stands_first_and_whole() -> None:
    text = plan_text(made(added=parse_added(["deep-supervision"])), PLAIN)
    lines = text.splitlines()
    assert lines[0] == "A: go on from the last good checkpoint, epoch 11 (recommended)"
    assert lines[1] == "  ckptdoctor restore --from e11.pth --scale-lr 0.75 && \\"
    assert "      --stage2-lr 0.00015 \\" in lines
    assert "C: start afresh with safe settings" in lines
    assert text.count("  change ") == 3, "those of A alone"
    assert plan_text(made(), Screen(width=80, colour=False, verbosity=1)).count("  change ") > 5
    assert "  why " not in plan_text(made(), Screen(width=80, colour=False, verbosity=-1))


def test_json_has_the_keys_of_the_contract() -> None:
    content = json.loads(plan_json(made(target=0.7, added=parse_added(["deep-supervision"]))))
    assert content["schema_version"] == 1
    first = content["options"][0]
    assert {"name", "recommended", "command", "changes", "reasons"} <= set(first)
    assert first["changes"][-1] == {
        "flag": "--stage2-lr",
        "from": "0.0002",
        "to": "0.00015",
        "reason": first["changes"][-1]["reason"],
    }
    assert content["timeline"]["epochs"] == {"low": 9, "high": 9}
    assert content["learning_rate"]["range"] == [0.7, 0.8]
    assert content["learning_rate"]["heuristic"] is True
    assert json.loads(plan_json(made()))["timeline"] == {}


@pytest.mark.parametrize(
    ("timeline", "words"),
    [
        (
            Timeline(target=0.7, low=3, high=9, epoch_s=30.0, method="m"),
            "3 to 9 epochs, 2 min to 4",
        ),
        (Timeline(target=0.7, low=2, high=2, epoch_s=20.0, method="m"), "about 2 epochs, 40 s."),
        (Timeline(target=0.7, low=30, epoch_s=3600.0, method="m"), "perhaps never, 30.0 h."),
        (Timeline(target=0.7, low=0, high=0, method="none needed"), "none needed"),
        (Timeline(target=0.7, method="none: too few"), "no estimate. Too few"),
    ],
)
def test_a_target_in_words(timeline: Timeline, words: str) -> None:
    plan = Plan(options=(), advice=made().advice, command_from="", timeline=timeline)
    assert words in plan_text(plan, PLAIN)


def test_nothing_to_go_on_from() -> None:
    text = plan_text(make_plan(None, Request()), PLAIN)
    assert "no checkpoint to go on from, and no command to start" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_names_from_a_file_are_neutralised(text: str) -> None:
    run = one_run(report(f"{text}.pth".replace("\0", ""), 3, score(0.5)))
    plan = make_plan(run, Request(command=f"python t.py --resume '{text.replace(chr(39), '')}'"))
    shown = plan_text(plan, Screen(width=80, colour=False, verbosity=1))
    assert not any(ord(c) < 32 and c != "\n" for c in shown)
    json.loads(plan_json(plan))
