"""Scores from logs, joined to checkpoints by epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.metadata import MetricKind, Mode, Source
from ckptdoctor.report import CheckpointReport
from ckptdoctor.runs.join import Wish, join_logs
from tests.reports import metric, report, score


def scores(reports: tuple[CheckpointReport, ...]) -> list[tuple[str, float, Source] | None]:
    found = [r.metadata.metric for r in reports]
    return [None if m is None else (m.name, m.value, m.source) for m in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "training.log").write_text(
        "".join(f"Epoch {e}: Loss: {1 / e:.4f} | IoU: {e / 100:.4f}\n" for e in range(1, 9))
    )
    return tmp_path / "checkpoints"


def test_a_running_best_gives_way_to_the_logs_value(folder: Path) -> None:
    folder.mkdir()
    best = metric(0.9, name="best_iou", kind=MetricKind.RUNNING_BEST)
    joined = join_logs([report(str(folder / "a.pth"), 3, best)])
    assert scores(joined.reports) == [("IoU", 0.03, Source.LOG)]


def test_its_own_score_and_an_unknown_epoch_stay(folder: Path) -> None:
    folder.mkdir()
    own = report(str(folder / "a.pth"), 3, score(0.7))
    later = report(str(folder / "b.pth"), 99, None)
    nameless = report(str(folder / "c.pth"), None, None)
    joined = join_logs([own, later, nameless])
    assert joined.reports == (own, later, nameless)


def test_the_user_names_metric_mode_and_log(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    files = [report(str(folder / "a.pth"), 3, score(0.7))]
    by_loss = join_logs(files, Wish(metric="loss", mode=Mode.MIN))
    assert scores(by_loss.reports) == [("Loss", 0.3333, Source.LOG)]
    turned = join_logs(files, Wish(mode=Mode.MIN)).reports[0].metadata.metric
    assert turned is not None
    assert turned.mode is Mode.MIN
    other = tmp_path / "other.txt"
    other.write_text("Epoch 3: IoU: 0.5\n")
    fresh = [report(str(folder / "a.pth"), 3, None)]
    assert scores(join_logs(fresh, Wish(logs=(other,))).reports)[0] == ("IoU", 0.5, Source.LOG)
    with pytest.raises(FileNotFoundError, match="no such log file"):
        join_logs(fresh, Wish(logs=(tmp_path / "gone.log",)))


def test_folders_have_their_own_logs(tmp_path: Path) -> None:
    for name, value in (("one", 0.1), ("two", 0.2)):
        (tmp_path / name / "ckpt").mkdir(parents=True)
        (tmp_path / name / "train.log").write_text(f"Epoch 1: IoU: {value}\n")
    files = [report(str(tmp_path / name / "ckpt/a.pth"), 1, None) for name in ("one", "two")]
    assert scores(join_logs(files).reports) == [
        ("IoU", 0.1, Source.LOG),
        ("IoU", 0.2, Source.LOG),
    ]


def test_no_log_changes_nothing(tmp_path: Path) -> None:
    files = (report(str(tmp_path / "x/a.pth"), 1, score(0.5)),)
    joined = join_logs(files)
    assert joined.reports == files
    assert joined.speaks_against(files[0]) == ""
