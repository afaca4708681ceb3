"""Bombs: each gets the verdict it deserves, within bounds on memory and time that can be hit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_inputs.bombs import BOMBS, Bomb

ROOT = Path(__file__).parents[2]
ADDRESSES = 4 << 30  # torch's library alone takes one and a half gigabytes of addresses
PATIENCE_S = 300
PROGRAM = """
import json, pathlib, resource, signal, sys, tempfile
from tests.bad_inputs.bombs import BOMBS
from tests.bad_inputs.running import called
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
signal.alarm(int(sys.argv[2]))
command = sys.argv[3]
for bomb in (bomb for bomb in BOMBS if bomb.name in sys.argv[4:]):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.pth")
        path = bomb.build(path) or path
        options = ["--output", path.with_name("restored.pth"), "--force"]
        tail = options if command == "restore" else ["--format", "json"]
        tail += [] if command else bomb.options
        code, out, err = called(command or bomb.command, path, *tail)
        found = json.loads(out) if out.startswith("{") else {}
        (first, *_) = found.get("checkpoints") or [{}]
        codes = [finding["code"] for finding in first.get("findings", ())]
        told = [bomb.name, code, first.get("verdict", ""), codes[:50], err[-2000:]]
        print(json.dumps(told), flush=True)
"""
SCANNED = [bomb for bomb in BOMBS if bomb.command == "scan"]
QUICK = BOMBS[::48]
CHUNKS = [BOMBS[at::16] for at in range(16)]

Told = tuple[int, str, list[str], str]


def answers(bombs: list[Bomb], command: str = "") -> dict[str, Told]:
    """Exit code, verdict, codes and notes for each bomb, from one process with its bounds."""
    limits = (str(ADDRESSES), str(PATIENCE_S))
    untraced = {**os.environ}
    untraced.pop("COVERAGE_PROCESS_CONFIG", None)  # a tracer doubles what a bomb takes
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *limits, command, *(bomb.name for bomb in bombs)],
        cwd=ROOT,
        env=untraced,
        check=False,
        capture_output=True,
        text=True,
    )
    found = {name: (code, *rest) for name, code, *rest in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, f"ended after {list(found)[-1:]}: {done.stderr[-2000:]}"
    return found


def check(bombs: list[Bomb]) -> None:
    found = answers(bombs)
    told = {name: (verdict, codes) for name, (_, verdict, codes, _) in found.items()}
    assert {name: verdict for name, (verdict, _) in told.items()} == {
        bomb.name: bomb.verdict for bomb in bombs
    }
    silent = [bomb.name for bomb in bombs if bomb.code and bomb.code not in told[bomb.name][1]]
    assert silent == []
    assert {name: code for name, (code, *_) in found.items() if code not in (0, 1, 3)} == {}


@pytest.mark.slow
def test_a_few_bombs_get_their_verdicts() -> None:
    check(QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("bombs", CHUNKS, ids=lambda bombs: bombs[0].name)
def test_every_bomb_gets_its_verdict(bombs: list[Bomb]) -> None:
    check(bombs)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["rank", "inspect", "restore"])
def test_other_commands_answer_as_well(command: str) -> None:
    bombs = SCANNED[::4]
    found = answers(bombs, command)
    assert set(found) == {bomb.name for bomb in bombs}
    odd = {name: told for name, told in found.items() if told[0] not in (0, 1, 3, 4)}
    assert odd == {}
    assert [name for name, told in found.items() if "Traceback" in told[3]] == []


def test_the_bombs_are_many_and_differ() -> None:
    assert len(BOMBS) >= 40
    assert len({bomb.name for bomb in BOMBS}) == len(BOMBS)
