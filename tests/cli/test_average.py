"""``restore --average`` as a user runs it, and what every other command makes of the result."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.builders import load, save
from tests.cli.support import run
from tests.each import each


def a_run(folder: Path, *, word: str = "epoch", scale: float = 1.0, nan_at: int = 0) -> Path:
    """Eight epochs whose score rises, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(1, 9):
        weight = torch.linspace(1, 2, 32) * scale + at / 64
        if at == nan_at:
            weight[0] = math.nan
        parameters = [torch.nn.Parameter(weight)]
        optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
        state = {
            "epoch": at,
            "model": {"layer.weight": weight},
            "optimizer": optimizer.state_dict(),
            "val_iou": 0.5 + at / 50,
        }
        save(folder / f"{word}_{at}.pth", state)
    return folder


def expected(*epochs: int) -> torch.Tensor:
    return (torch.linspace(1, 2, 32) + sum(epochs) / len(epochs) / 64).float()


@pytest.mark.slow
def test_the_mean_of_the_last_good_ones(tmp_path: Path) -> None:
    folder = a_run(tmp_path, nan_at=7)
    done = run("restore", folder, "--average", "3")
    assert done.code == 0, done.stderr
    assert "left out: epoch_7.pth: corrupt: CD201" in done.stderr
    assert "epoch_5.pth, epoch_6.pth, epoch_8.pth" in " ".join(done.stdout.split())
    assert "compared with the mean, reckoned a second way" in done.stdout
    found = load(folder / "best_model_average.pth")
    torch.testing.assert_close(found["model"]["layer.weight"], expected(5, 6, 8))
    assert found["epoch"] == 8


@pytest.mark.slow
def test_a_range_and_another_name_as_json(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    target = tmp_path / "soup.pth"
    done = run("restore", folder, "--average", "2-4", "-o", target, "--format", "json")
    assert done.code == 0, done.stderr
    assert [Path(path).name for path in done.json["averaged"]] == [
        "epoch_2.pth",
        "epoch_3.pth",
        "epoch_4.pth",
    ]
    assert done.json["verified"] is True
    torch.testing.assert_close(load(target)["model"]["layer.weight"], expected(2, 3, 4))


@pytest.mark.slow
def test_until_an_epoch_and_as_safetensors(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    done = run("restore", folder, "--average", "2", "--epoch", "5", "--to", "safetensors")
    assert done.code == 0, done.stderr
    found = load_file(folder / "best_model_average.safetensors")
    torch.testing.assert_close(found["layer.weight"], expected(4, 5))


@each(
    ("options", "words"),
    [
        (["--average", "1"], "at least 2 checkpoints"),
        (["--average", "some"], "such as 5, or a range"),
        (["--average", "2-4", "--epoch", "3"], "both say where to end"),
        (["--average", "3", "--from", "epoch_3.pth"], "--average and --from"),
        (["--average", "3", "--use-ema"], "--average and --use-ema"),
        (["--average", "3", "--graft", "epoch_1.pth"], "--average and --graft"),
        (["--average", "3", "--zero-nonfinite", "--unsafe"], "--average and --zero-nonfinite"),
    ],
)
def test_what_contradicts_itself_is_refused(options: list[str], words: str, tmp_path: Path) -> None:
    done = run("restore", *options, cwd=a_run(tmp_path))
    assert done.code == 2
    assert words in done.stderr


def test_too_few_good_ones_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = a_run(tmp_path, nan_at=7)
    before = sorted(folder.iterdir())
    done = run("restore", folder, "--average", "7-8")
    assert done.code == 4
    assert "one checkpoint alone of the epochs 7 to 8 is good, and a mean takes two" in done.stderr
    assert "epoch_7.pth: corrupt: CD201" in done.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
def test_several_runs_are_listed_with_the_command_for_each(tmp_path: Path) -> None:
    a_run(tmp_path / "one")
    a_run(tmp_path / "two", scale=3.0)
    done = run("restore", tmp_path, "--average", "3")
    assert done.code == 4
    assert done.stderr.count("--average 3") == 2
    chosen = run("restore", tmp_path, "--run", "one", "--average", "3")
    assert chosen.code == 0, chosen.stderr
    assert (tmp_path / "one" / "best_model_average.pth").exists()


def test_another_structure_is_refused_with_what_differs(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    state = load(folder / "epoch_6.pth")
    state["model"]["head.weight"] = torch.ones(2)
    save(folder / "epoch_6.pth", state)
    done = run("restore", folder, "--average", "4")
    assert done.code == 4
    assert "epoch_6.pth has model.head.weight" in done.stderr
    assert not (folder / "best_model_average.pth").exists()


def test_a_mean_is_no_candidate_and_no_copy(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    before = run("scan", folder, "--format", "json").json
    done = run("restore", folder, "--average", "3")
    assert done.code == 0, done.stderr
    assert "epoch_6.pth, epoch_7.pth, epoch_8.pth" in " ".join(done.stdout.split())
    assert "compared with the mean, reckoned a second way" in done.stdout
    found = load(folder / "best_model_average.pth")
    torch.testing.assert_close(found["model"]["layer.weight"], expected(6, 7, 8))
    after = run("scan", folder, "--format", "json").json
    assert after["last_good"] == before["last_good"]
    (row,) = [one for one in after["checkpoints"] if "average" in one["path"]]
    assert [Path(path).name for path in row["restored_from"]["averaged"]] == [
        "epoch_6.pth",
        "epoch_7.pth",
        "epoch_8.pth",
    ]
    assert "mean of 3, the newest epoch_8.pth" in " ".join(run("rank", folder).stdout.split())
    assert "Next" not in run("scan", folder).stdout  # nothing is to be resumed from it
    plan = run("plan", folder, "--format", "json", "--command", "python train.py --lr 0.1")
    assert "best_model_average" not in json.dumps(plan.json["options"])


@pytest.mark.slow
def test_a_mean_stays_a_mean_where_its_newest_source_is_gone(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    assert run("restore", folder, "--average", "3").code == 0
    (folder / "epoch_8.pth").unlink()
    after = run("scan", folder, "--format", "json").json
    assert Path(after["last_good"]["path"]).name == "epoch_7.pth"


@pytest.mark.slow
def test_a_change_of_the_mean_is_noticed(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    assert run("restore", folder, "--average", "3").code == 0
    target = folder / "best_model_average.pth"
    state = load(target)
    state["model"]["layer.weight"] += 1
    save(target, state)
    assert "CD110" in run("scan", target).stdout
