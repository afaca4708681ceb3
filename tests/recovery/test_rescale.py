"""A copy of a copy: rates, epoch and trust go back to the first checkpoint."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ckptdoctor.errors import RestoreError
from ckptdoctor.manifest import manifest_path, restored_from
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from tests.builders import load, save

RATE, SCHEDULED = 1e-3, 3e-4


def original(folder: Path, name: str = "net_7.pth") -> Path:
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.3)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    state = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
    return save(folder / name, state | {"scheduler": scheduler.state_dict()})


def rates(path: Path) -> tuple[float, float, float, float]:
    state: dict[str, Any] = load(path)
    (group,) = state["optimizer"]["param_groups"]
    (base,), (last,) = state["scheduler"]["base_lrs"], state["scheduler"]["_last_lr"]
    return group["lr"], group["initial_lr"], base, last


def times(path: Path, factor: float) -> tuple[float, ...]:
    """Exactly what one scaling of the original gives."""
    return tuple(rate * factor for rate in rates(path))


@pytest.mark.parametrize("first", [0.75, 0.1, 0.7, 1 / 3])
@pytest.mark.parametrize("second", [0.75, 0.5, 0.9])
@pytest.mark.one_in(3)
def test_a_second_scaling_is_reckoned_from_the_original(
    first: float, second: float, tmp_path: Path
) -> None:
    source = original(tmp_path)
    once, twice = tmp_path / "best_model_clean.pth", tmp_path / "again.pth"
    restore(source, once, Edits(scale_lr=first))
    assert rates(once) == times(source, first)
    done = restore(once, twice, Edits(scale_lr=second))
    assert rates(twice) == pytest.approx(times(source, second), rel=1e-15)
    (action,) = done.actions
    assert action.factor == second
    assert f"those of net_7.pth times {second:.6g}" in action.message
    copied = restored_from(twice)
    assert copied is not None
    assert (copied.source, copied.scale) == (source, second)


def test_the_same_factor_again_changes_nothing(tmp_path: Path) -> None:
    source = original(tmp_path)
    restore(source, tmp_path / "a.pth", Edits(scale_lr=0.7))
    restore(tmp_path / "a.pth", tmp_path / "b.pth", Edits(scale_lr=0.7))
    assert rates(tmp_path / "b.pth") == rates(tmp_path / "a.pth") == times(source, 0.7)


def test_a_plain_copy_of_a_copy_keeps_the_factor_and_the_epoch(tmp_path: Path) -> None:
    source = original(tmp_path)
    restore(source, tmp_path / "a.pth", Edits(scale_lr=0.7))
    done = restore(tmp_path / "a.pth", tmp_path / "b.pth")
    copied = restored_from(tmp_path / "b.pth")
    assert copied is not None
    assert (copied.source, copied.scale, copied.epoch) == (source, 0.7, 7)
    assert done.epoch == 7
    third = restore(tmp_path / "b.pth", tmp_path / "c.pth", Edits(scale_lr=1.0))
    assert rates(tmp_path / "c.pth") == pytest.approx(rates(source), rel=1e-15)
    assert third.actions[0].factor == 1.0


def test_a_copy_whose_rate_was_set_is_not_scaled(tmp_path: Path) -> None:
    source = original(tmp_path)
    restore(source, tmp_path / "a.pth", Edits(set_lr=5e-4))
    copied = restored_from(tmp_path / "a.pth")
    assert copied is not None
    assert (copied.scale, copied.set_lr) == (None, 5e-4)
    with pytest.raises(RestoreError, match=r"--set-lr 0\.0005") as refused:
        restore(tmp_path / "a.pth", tmp_path / "b.pth", Edits(scale_lr=0.5))
    words = shlex.split(refused.value.lines[1])
    assert words == ["ckptdoctor", "restore", "--from", str(source), "--scale-lr", "0.5"]
    restore(tmp_path / "a.pth", tmp_path / "b.pth", Edits(set_lr=1e-4))
    assert rates(tmp_path / "b.pth")[0] == pytest.approx(1e-4)


def test_an_older_manifest_without_a_factor_is_not_multiplied(tmp_path: Path) -> None:
    source = original(tmp_path)
    once = tmp_path / "best_model_clean.pth"
    restore(source, once, Edits(scale_lr=0.75))
    note = json.loads(manifest_path(once).read_text())
    del note["scale"], note["actions"][0]["factor"], note["source"]["relative"]
    manifest_path(once).write_text(json.dumps(note))
    with pytest.raises(RestoreError, match=r"copy of .*net_7\.pth"):
        restore(once, tmp_path / "b.pth", Edits(scale_lr=0.75))
    assert not (tmp_path / "b.pth").exists()


def test_a_file_that_was_overwritten_since_is_no_copy_any_more(tmp_path: Path) -> None:
    source = original(tmp_path)
    once = tmp_path / "best_model_clean.pth"
    restore(source, once, Edits(scale_lr=0.75))
    nbytes = once.stat().st_size
    restore(source, tmp_path / "other.pth", Edits(scale_lr=0.9))
    once.write_bytes((tmp_path / "other.pth").read_bytes())
    assert once.stat().st_size == nbytes  # only the bytes tell
    restore(once, tmp_path / "b.pth", Edits(scale_lr=0.5))
    assert rates(tmp_path / "b.pth") == times(once, 0.5)


def test_what_was_made_up_stays_so_in_a_copy(tmp_path: Path) -> None:
    state = load(original(tmp_path))
    state["model"]["bias"][0] = float("nan")
    bad = save(tmp_path / "bad_8.pth", state)
    restore(bad, tmp_path / "a.pth", Edits(zero_nonfinite=True))
    restore(tmp_path / "a.pth", tmp_path / "b.pth", Edits(scale_lr=0.5))
    assert json.loads(manifest_path(tmp_path / "b.pth").read_text())["trusted"] is False


def test_the_original_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "out").mkdir()
    original(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    restore(Path("run/net_7.pth"), Path("out/clean.pth"))
    moved = tmp_path / "moved"
    moved.mkdir()
    os.rename(tmp_path / "run", moved / "run")
    os.rename(tmp_path / "out", moved / "out")
    monkeypatch.chdir("/")
    copied = restored_from(moved / "out" / "clean.pth")
    assert copied is not None
    assert copied.source == moved / "run" / "net_7.pth"
