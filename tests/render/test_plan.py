"""Plans as text and as JSON."""

from __future__ import annotations

import json

import pytest

from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.recovery.timeline import Timeline
from ckptdoctor.render.console.plan import plan_text
from ckptdoctor.render.console.screen import Screen, height
from ckptdoctor.render.machine.plan import plan_json
from ckptdoctor.report import CheckpointReport, RunReport
from tests.cli.support import ANSI
from tests.each import each
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
    assert text.count("A change ") == text.count(" change ") == 3, "those of A alone"
    whole = plan_text(made(), Screen(width=80, colour=False, verbosity=1))
    assert whole.count(" change ") > 5
    assert {whole.count(f"{letter} change ") > 0 for letter in "ABC"} == {True}, "each its own"
    assert " why " not in plan_text(made(), Screen(width=80, colour=False, verbosity=-1))


@each("colour", [False, True])
@each(
    "command",
    [
        "python t.py --lr 0.2 --resume a.pth --out x",
        "python t.py --lr 0.2 --resume a.pth " + " ".join(f"--flag-{at} {at}" for at in range(60)),
        GUIDE,
        "python t.py \\\n" + " \\\n".join(f"    --flag-{at} {at}" for at in range(13)) + " --lr 1",
    ],
)
def test_all_of_it_fits_on_a_small_screen(command: str, colour: bool) -> None:
    screen = Screen(width=80, colour=colour, height=24)
    text = plan_text(made(command=command, added=parse_added(["deep-supervision"])), screen)
    assert height(text, screen) < 24, "one line is the prompt's"
    lines = ANSI.sub("", text).splitlines()
    assert lines[0].endswith("(recommended)")
    assert lines[1].startswith("  ckptdoctor restore --from e11.pth")
    assert "  C:" not in text


def test_the_commands_come_before_the_reasons() -> None:
    plan = made(command="python t.py --lr 0.2 --resume a.pth")
    for verbosity in (0, 1):
        text = plan_text(plan, Screen(width=80, colour=False, height=50, verbosity=verbosity))
        lines = text.splitlines()
        titles = [lines.index(line) for line in lines if line[:2] in ("A:", "B:", "C:")]
        first = next(
            at for at, line in enumerate(lines) if line[2:8] in ("mind  ", "change", "why   ")
        )
        assert titles[2] < first
        assert "python t.py --lr 0.2" in lines[titles[2] + 1]


def test_what_has_no_room_is_one_key_away() -> None:
    plan = made(added=parse_added(["deep-supervision"]))
    text = plan_text(plan, Screen(width=80, colour=False, height=24))
    assert text.splitlines()[-1].startswith("-v shows the commands of B and C, and ")
    assert "-v shows" not in plan_text(plan, Screen(width=80, colour=False, height=90))
    for option in plan.options:
        for warning in option.warnings if option.recommended else ():
            assert warning[:40] in text, "what cannot be vouched for is never cut"


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


@each("text", HOSTILE)
def test_names_from_a_file_are_neutralised(text: str) -> None:
    run = one_run(report(f"{text}.pth".replace("\0", ""), 3, score(0.5)))
    plan = make_plan(run, Request(command=f"python t.py --resume '{text.replace(chr(39), '')}'"))
    shown = plan_text(plan, Screen(width=80, colour=False, verbosity=1))
    assert not any(ord(c) < 32 and c != "\n" for c in shown)
    json.loads(plan_json(plan))
