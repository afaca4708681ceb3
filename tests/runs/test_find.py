"""Which files of a folder are logs: by name where that is enough, else by what they hold."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from ckptdoctor.runs.logs import find, is_log, logs_in
from tests.costs import calls
from tests.each import each

LINES = "".join(f"Epoch {n}/9 - train_loss: 0.{n} - val_iou: 0.{n}\n" for n in range(1, 9))
TABLE = "epoch,loss,val_loss\n1,0.5,0.6\n2,0.4,0.5\n"
HISTORY = json.dumps({"loss": [0.5, 0.4], "val_loss": [0.6, 0.5]})
CELLS = {"cells": [{"outputs": [{"output_type": "stream", "text": [LINES]}]}], "nbformat": 4}
KAGGLE = json.dumps([{"stream_name": "stdout", "time": 1, "data": LINES}])


def laid(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def found(folder: Path) -> list[str]:
    return [str(path.relative_to(folder.resolve())) for path in logs_in(folder)]


@each(
    ("name", "text"),
    [
        *((name, LINES) for name in ("train.log", "log", "LOG", "nohup.out", "slurm-12345.out")),
        *((name, LINES) for name in ("job.e123.err", "train.out", "stdout.txt", "log.txt")),
        *((name, LINES) for name in ("job.o1234", "job.e1234", "stdout", "a.stderr")),
        *((name, TABLE) for name in ("log.csv", "history.csv", "training_log.csv", "a.tsv")),
        *((name, HISTORY) for name in ("history.json", "log.json", "run1.json")),
        (
            "metrics.json",
            '{"iteration": 19, "total_loss": 0.5}\n{"iteration": 39, "total_loss": 1}\n',
        ),
        ("metrics.json", json.dumps([{"epoch": 1, "acc": 0.5}])),
        ("train.ipynb", json.dumps(CELLS, indent=1)),
        ("kernel.json", KAGGLE),
        ("kernel.log", KAGGLE),
        ("late.out", "Collecting torch\n" * 20_000 + LINES),
        ("rows.jsonl", '{"epoch": 1, "val_loss": 0.5}\n'),
    ],
)
def test_what_a_training_left_is_found(tmp_path: Path, name: str, text: str) -> None:
    laid(tmp_path, {name: text})
    assert found(tmp_path) == [name]
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    assert found(packed) == ([f"{name}.gz"] if name != "late.out" else [])
    assert is_log(tmp_path / name)


@each(
    ("name", "text"),
    [
        ("config.json", json.dumps({"epochs": 90, "lr": 0.1, "loss": "bce", "layers": [3, 4]})),
        ("settings.json", json.dumps({"epochs": 90, "lr": 0.1, "loss_weight": 2.0}, indent=2)),
        ("opts.json", json.dumps({"epochs": 90, "lr": 0.1, "loss_weight": 2.0})),
        ("tokenizer.json", json.dumps({"model": {"vocab": {"epoch": 1, "loss": 2}}})),
        ("vocab.json", json.dumps({"epoch": 1, "loss": 2, "iou": 3})),
        ("vocab.txt", "epoch 1\nloss 2\nEpoch 3 loss 0.5\n"),
        ("requirements.txt", "torch==2.0\nepoch==1.0\nloss==0.5\n"),
        ("README.txt", LINES),
        ("model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": {"a": "b"}})),
        ("package.json", json.dumps({"name": "epoch", "version": "1.0.0"})),
        ("packages.txt", "numpy 1.26.0\npandas 2.2.0\nloss-functions 0.0.8\n"),
        ("train.csv", "image,label\na.png,1\nb.png,0\n"),
        ("labels.csv", "file_name,epoch_label,score_type\na,b,c\n"),
        ("submission.csv", "id,score\n1,0.5\n2,0.4\n"),
        ("predictions.csv", "image_id,iou,dice\n1,0.5,0.4\n"),
        ("oof.csv", ",iou,dice\n0,0.5,0.4\n1,0.3,0.2\n"),
        ("predictions.json", json.dumps([{"image_id": 1, "score": 0.5}])),
        ("scores.json", json.dumps({"score": [0.1, 0.2], "label": [1, 0]})),
        ("coco.json", json.dumps({"images": [{"id": 1}], "annotations": [{"id": 1, "area": 2.0}]})),
        ("img_0001.txt", "0 0.5 0.5 0.1 0.2\n"),
        ("files.txt", "train/img_1.png 1\nval/img_2.png 2\n"),
        ("empty.json", ""),
        ("empty.csv", ""),
        ("eda.ipynb", json.dumps({"cells": [{"outputs": []}], "nbformat": 4})),
        ("model.pth", LINES),
        ("data.jsonl", '{"text": "Epoch 1: loss 0.5", "label": 3}\n'),
        ("install.out", "Collecting torch\nSuccessfully installed torch-2.0\n"),
    ],
)
def test_what_is_no_log_is_not_found(tmp_path: Path, name: str, text: str) -> None:
    assert found(laid(tmp_path, {name: text})) == []


def test_an_empty_log_is_about_to_grow(tmp_path: Path) -> None:
    names = ["a.txt", "log", "metrics.csv", "nohup.out", "train.log"]
    assert sorted(found(laid(tmp_path, dict.fromkeys(names, "")))) == names


def test_older_comes_before_newer(tmp_path: Path) -> None:
    names = ["train.log.10.gz", "train.log.2", "train.log.1", "train.log", "val.log"]
    (tmp_path / "a").mkdir()
    for name in names:
        (tmp_path / "a" / name).write_bytes(gzip.compress(b"x") if name.endswith("gz") else b"x")
    assert found(tmp_path / "a") == names
    dated = ["t.log-20240131", "t.log-20240201.gz", "t.log"]
    assert found(laid(tmp_path / "b", dict.fromkeys(dated, LINES))) == dated


@pytest.mark.slow
def test_a_folder_of_a_hundred_thousand_images_costs_a_listing(tmp_path: Path) -> None:
    opened: list[str] = []

    def look(path: Path) -> bool:
        opened.append(path.name)
        return True

    def cost(folder: Path, images: int) -> int:
        folder.mkdir()
        for n in range(images):
            (folder / f"img_{n:06d}.png").touch()
            (folder / f"img_{n:06d}.txt").touch()
        (folder / "train.txt").write_text(LINES)
        return calls(lambda: found(folder))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(find, "shows_training", look)
        assert found(laid(tmp_path / "warm", {"train.txt": LINES})) == ["train.txt"]
        opened.clear()
        few, many = cost(tmp_path / "few", 1200), cost(tmp_path / "many", 4800)
    assert opened == ["train.txt"] * 2
    assert many < 5 * few  # of 4 times as many; 16 times where it is the square


def events(folder: str) -> str:
    return f"{folder}/events.out.tfevents.1700000000.host.1.0"


def test_the_folders_of_trackers(tmp_path: Path) -> None:
    mlflow = "mlruns/0/abc/metrics"
    files = [
        events("lightning_logs/version_0"),
        *(
            f"wandb/offline-run-20240101_100000-ab/files/{n}"
            for n in ("output.log", "wandb-summary.json")
        ),
        *(f"{mlflow}/{name}" for name in ("val/iou", "loss")),
        "20240101_000000/vis_data/scalars.json",
        events("tb"),
    ]
    laid(tmp_path, dict.fromkeys([*files, "tb/notes.md", f"{mlflow}/cpu", "a/b/c/x.log"], "x"))
    assert sorted(found(tmp_path)) == sorted(files)


def test_of_several_trainings_of_a_tracker_the_last_or_none(tmp_path: Path) -> None:
    runs = [f"wandb/offline-run-2024010{n}_100000-ab/files/output.log" for n in (1, 2)]
    versions = [f"lightning_logs/version_{n}/metrics.csv" for n in (9, 10)]
    laid(tmp_path, dict.fromkeys([*runs, *versions], TABLE))
    laid(tmp_path, {f"mlruns/0/{name}/metrics/loss": "1 0.5 0" for name in ("ab", "cd")})
    laid(tmp_path, dict.fromkeys((events("runs/teal"), events("runs/mallard")), "x"))
    assert found(tmp_path) == [versions[1], runs[1]]
    own = find.found_in(tmp_path, lambda label: "teal" in label)
    assert [one.label for one in own] == ["lightning_logs/version_10", "runs/teal", runs[1][:-11]]


def test_a_link_to_the_latest_run_of_wandb_names_it(tmp_path: Path) -> None:
    for n in (1, 2):
        laid(tmp_path, {f"wandb/run-2024010{n}_100000-ab/files/output.log": LINES})
    (tmp_path / "wandb/latest-run").symlink_to("run-20240101_100000-ab")
    assert found(tmp_path) == ["wandb/run-20240101_100000-ab/files/output.log"]


def test_a_version_of_lightning_with_checkpoints_is_a_run_of_its_own(tmp_path: Path) -> None:
    laid(tmp_path, {"lightning_logs/version_0/metrics.csv": TABLE, events("tb"): "x"})
    (tmp_path / "lightning_logs/version_0/checkpoints").mkdir()
    assert found(tmp_path) == [events("tb")]


def test_a_log_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "gone.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    assert found(tmp_path) == []
    assert not is_log(tmp_path / "gone.csv")


def test_a_folder_that_may_not_be_looked_into_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's folder beside the run must not stop the scan; root may look into any."""
    (tmp_path / "private.0").mkdir()
    (tmp_path / "train.log").write_text("Epoch 1: loss: 0.5\n")
    real = Path.is_dir

    def is_dir(self: Path) -> bool:
        if self.parent.name == "private.0":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert [path.name for path in logs_in(tmp_path)] == ["train.log"]
