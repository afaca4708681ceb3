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


@pytest.mark.skipif(not CAN_FORK, reason="there every command starts anew")
def test_each_command_says_the_same_as_where_python_starts_anew(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    good, bad = folder / "checkpoint_epoch_9.pth", folder / "checkpoint_epoch_11.pth"
    restored = tmp_path / "restored.pth"
    env = {"CKPTDOCTOR_DIR": str(tmp_path), "CKPTDOCTOR_NO_CACHE": "1"}
    for arguments in (
        ("scan", "."),
        ("scan", "--format", "json", "."),
        ("scan", "nowhere"),
        ("nonsense",),
        ("--help",),
        ("restore", "--help"),
        ("diff", good, bad),
        ("inspect", bad),
        ("rank", "."),
        ("history", "."),
        ("plan", "."),
        ("restore", ".", "--output", restored, "--force"),
        ("watch", ".", "--once"),
        ("explain", "CD201"),
        ("gpu", "--format", "json"),
    ):
        forked = run(*arguments, cwd=folder, env=env)
        anew = run(*arguments, cwd=folder, env=env, anew=True)
        assert without_times(forked) == without_times(anew), arguments


@pytest.mark.skipif(not CAN_FORK, reason="there every command starts anew")
def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="takes more than"):
        run_forked(["watch", str(tmp_path), "--quiet"], cwd=None, env={}, timeout_s=0.5)
    assert run("explain", "CD201").code == 0
