"""``ckptdoctor inspect``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.builders import save
from tests.cli.support import run, training_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    state = training_state(7)
    state["model_state_dict"] |= {f"block.{i}.weight": torch.ones(2, 2) * i for i in range(30)}
    state["model_state_dict"]["zz.bad"] = torch.tensor([[1.0, 2.0], [torch.nan, -torch.inf]])
    return save(tmp_path / "a.pth", state)


def test_bad_tensors_come_first_with_their_first_bad_index(path: Path) -> None:
    outcome = run("inspect", path)
    assert outcome.code == 1
    table = outcome.stdout[outcome.stdout.index("first bad\nm") :].splitlines()
    assert table[1].split()[1:] == ["float32", "2×2", "1", "2", "1", "1", "[1,", "0]"]
    assert "… and 14 tensors (--all)" in outcome.stdout
    assert "epoch 7 (from contents)" in outcome.stdout


def test_all_lists_all(path: Path) -> None:
    outcome = run("inspect", path, "--all")
    assert outcome.stdout.count("float32") == 33
    assert "--all" not in outcome.stdout


def test_tensor_globs_choose(path: Path) -> None:
    outcome = run("inspect", path, "--tensor", "*block.2?.weight", "--format", "json")
    names = [tensor["fqn"] for tensor in outcome.json["tensors"]]
    assert names == [f"model_state_dict.block.{i}.weight" for i in range(20, 30)]


def test_a_glob_that_matches_nothing_says_so(path: Path) -> None:
    outcome = run("inspect", path, "--tensor", "nothing*")
    assert "no tensor is called nothing*" in outcome.stderr


def test_json_tells_everything(path: Path) -> None:
    report = run("inspect", path, "--format", "json").json
    assert report["schema_version"] == 1
    assert report["checkpoint"]["verdict"] == "corrupt"
    assert report["scalars"]["epoch"] == 7
    bad = report["tensors"][0]
    assert bad["fqn"] == "model_state_dict.zz.bad"
    assert (bad["min"], bad["max"], bad["nan"], bad["neginf"]) == (1.0, 2.0, 1, 1)
    assert bad["first_bad_index"] == [1, 0]
    tracked = next(t for t in report["tensors"] if t["fqn"].endswith("num_batches_tracked"))
    assert (tracked["dtype"], tracked["shape"], tracked["max"]) == ("int64", [], 7)


def test_a_missing_file_exits_with_3(tmp_path: Path) -> None:
    outcome = run("inspect", tmp_path / "gone.pth")
    assert outcome.code == 3
    assert "no such file" in outcome.stderr


def test_a_file_that_is_no_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456\n")
    outcome = run("inspect", path)
    assert outcome.code == 1
    assert "git-lfs pointer (real size 123456 bytes)" in " ".join(outcome.stdout.split())


def test_lost_tensors_are_called_lost(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    outcome = run("inspect", path)
    assert outcome.code == 1
    assert " lost" in outcome.stdout


def test_the_folder_where_one_stands_is_the_checkpoint_also_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"w": torch.ones(3)}
    for folder in (tmp_path, tmp_path / "checkpoint-5", tmp_path / "checkpoint-9"):
        folder.mkdir(exist_ok=True)
        save_file(weights, folder / "model.safetensors")
        (folder / "trainer_state.json").write_text('{"global_step": 9}')
    monkeypatch.chdir(tmp_path)
    outcome = run("inspect", ".")
    assert outcome.code == 0
    assert "1 tensor" in outcome.stdout


def test_headers_list_what_is_there_without_a_verdict(path: Path) -> None:
    """A NaN is not seen, and nothing is called healthy."""
    outcome = run("inspect", path, "--headers")
    assert outcome.code == 0
    assert "not examined" in outcome.stdout
    assert "headers only, no tensor read" in outcome.stdout
    assert "healthy" not in outcome.stdout
    assert not {"min", "max", "NaN"} & set(outcome.stdout.split())
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert ["model_state_dict.block.0.weight", "float32", "2×2", "16", "B", "model"] in rows


def test_headers_in_json_tell_that_no_tensor_was_read(path: Path) -> None:
    told = run("inspect", path, "--headers", "--format", "json").json
    whole = run("inspect", path, "--format", "json").json
    assert told["checkpoint"]["verdict"] is None
    counts = told["checkpoint"]["tensors"]
    assert (counts["count"], counts["scanned"], counts["nan"], counts["inf"]) == (34, 0, None, None)
    assert told["checkpoint"]["epoch"] == 7
    assert told["scalars"] == whole["scalars"]
    figures = {"min", "max", "nan", "posinf", "neginf", "first_bad_index"}
    described = {one["fqn"]: one for one in told["tensors"]}
    for one in whole["tensors"]:
        assert described[one["fqn"]] == {k: v for k, v in one.items() if k not in figures}


def test_headers_tell_damage_that_they_show(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])
    told = run("inspect", path, "--headers", "--format", "json")
    assert told.code == 1
    assert told.json["checkpoint"]["verdict"] == "corrupt"
    assert "CD102" in {one["code"] for one in told.json["checkpoint"]["findings"]}


def test_headers_of_no_checkpoint(tmp_path: Path) -> None:
    page = tmp_path / "page.pth"
    page.write_text("<html><body>404</body></html>")
    told = run("inspect", page, "--headers", "--format", "json")
    assert told.code == 1
    assert told.json["checkpoint"]["verdict"] == "unreadable"
    assert told.json["checkpoint"]["nbytes"] == page.stat().st_size


@pytest.mark.parametrize("others", [("--format", "html"), ("--part", "*")])
def test_headers_do_not_go_with_what_needs_more(path: Path, others: tuple[str, ...]) -> None:
    outcome = run("inspect", path, "--headers", *others)
    assert outcome.code == 2
    assert " ".join(others[: 2 if others[0] == "--format" else 1]) in outcome.stderr
