"""A command that is forked ends as one for which Python starts anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.forking import CAN_FORK, run_forked
from tests.cli.support import Outcome, make_run, run


def without_times(told: Outcome) -> Outcome:
    return replace(told, stdout=re.sub(r"(?m)^\d\d:\d\d:\d\d ", "", told.stdout))


COMMANDS = (
    "scan --format json .",
    "nonsense",
    "diff checkpoint_epoch_9.pth checkpoint_epoch_11.pth",
    "restore . --output ../restored.pth --force",
    "watch . --once",
)
MORE_COMMANDS = (
    *("scan .", "scan nowhere", "--help", "restore --help", "inspect checkpoint_epoch_11.pth"),
    *("rank .", "history .", "plan .", "explain CD201", "gpu --format json"),
)


@pytest.mark.skipif(not CAN_FORK, reason="there every command starts anew")
@pytest.mark.parametrize(
    "commands",
    [COMMANDS, pytest.param(MORE_COMMANDS, marks=pytest.mark.slow)],
    ids=["some", "more"],
)
@pytest.mark.slow
def test_each_command_says_the_same_as_where_python_starts_anew(
    commands: tuple[str, ...], tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run")
    env = {"CKPTDOCTOR_DIR": str(tmp_path), "CKPTDOCTOR_NO_CACHE": "1"}
    for command in commands:
        forked = run(*command.split(), cwd=folder, env=env)
        anew = run(*command.split(), cwd=folder, env=env, anew=True)
        assert without_times(forked) == without_times(anew), command


@pytest.mark.skipif(not CAN_FORK, reason="there every command starts anew")
def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="takes more than"):
        run_forked(["watch", str(tmp_path), "--quiet"], cwd=None, env={}, timeout_s=0.5)
    assert run("explain", "CD201").code == 0
