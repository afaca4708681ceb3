"""``ckptdoctor rank``: the order, the reasons, and the same exit codes as everywhere."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.builders import save
from tests.cli.support import ANSI, make_run, run, training_state


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """Checkpoints whose stored best survives a decline and a collapse, and the log beside them."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for epoch, best in ((80, 0.6399), (88, 0.6413), (90, 0.6413), (95, 0.6413), (98, 0.6413)):
        state = training_state(epoch, best=best, fill=0.25 + epoch / 1e4)
        save(folder / f"checkpoint_epoch_{epoch}.pth", state)
    lines = {80: 0.6399, 87: 0.6411, 88: 0.6413, 89: 0.6371, 90: 0.6345, 91: 0.6312, 95: 0.6093}
    lines |= {97: 0.5742, 98: 0.0022}
    (tmp_path / "training.log").write_text(
        "".join(f"Epoch {epoch}: Loss: 0.2 | IoU: {iou}\n" for epoch, iou in lines.items())
    )
    return folder


def order(*arguments: str | Path) -> list[str]:
    return [Path(row["path"]).stem for row in run("rank", *arguments, "-f", "json").json["ranking"]]


def test_a_score_in_a_decline_or_after_a_collapse_never_wins(story: Path) -> None:
    ranking = run("rank", story, "--format", "json").json
    assert ranking["schema_version"] == 1
    places = ranking["ranking"]
    assert [place["rank"] for place in places] == [1, 2, 3, 4, 5]
    assert [place["epoch"] for place in places] == [88, 80, 90, 95, 98]
    assert places[0]["metric"] == {
        "name": "IoU",
        "value": 0.6413,
        "mode": "max",
        "kind": "score",
        "source": "log",
    }
    assert places[2]["reason"] == "healthy, IoU 0.6345, in the decline 89–97"
    assert places[4]["reason"] == "healthy, IoU 0.0022, since the collapse at 98"


def test_without_its_log_the_first_to_hold_the_best_wins(story: Path) -> None:
    (story.parent / "training.log").unlink()
    assert order(story)[0] == "checkpoint_epoch_88"


def test_a_log_elsewhere_is_named(story: Path, tmp_path: Path) -> None:
    elsewhere = (story.parent / "training.log").rename(tmp_path / "kept.out")
    assert order(story, "--log", elsewhere)[0] == "checkpoint_epoch_88"
    missing = run("rank", story, "--log", tmp_path / "gone.log")
    assert missing.code == 3
    assert "gone.log" in missing.stderr


def test_metric_and_mode_are_the_users(story: Path) -> None:
    assert order(story, "--mode", "min")[-1] != "checkpoint_epoch_80"
    by_loss = run("rank", story, "--metric", "Loss", "-f", "json").json["ranking"]
    assert {place["metric"]["name"] for place in by_loss} == {"Loss"}


def test_several_folders_are_one_ranking(story: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "earlier")
    names = order(story, other)
    assert names[0] == "checkpoint_epoch_88"
    assert len(names) == 10


def test_the_table_fits_and_csv_parses(story: Path) -> None:
    outcome = run("rank", story)
    assert outcome.code == 1  # the metric collapsed
    assert run("rank", story, "--fail-on", "never").code == 0
    assert all(len(line) <= 80 for line in outcome.stdout.splitlines())
    assert "\n1 ✓ checkpoint_epoch_88.pth" in outcome.stdout
    assert not ANSI.search(outcome.stdout)
    rows = list(csv.DictReader(io.StringIO(run("rank", story, "-f", "csv").stdout)))
    assert [row["epoch"] for row in rows] == ["88", "80", "90", "95", "98"]


def test_exit_codes(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "c")
    codes = {fmt: run("rank", folder, "-f", fmt).code for fmt in ("table", "json", "csv")}
    assert set(codes.values()) == {1}
    assert run("rank", folder, "--fail-on", "never").code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    for fmt in ("table", "json", "csv"):
        assert run("rank", empty, "-f", fmt).code == 3
    assert run("rank", empty, "-f", "json").json == {
        "schema_version": 1,
        "ranking": [],
        "notes": [],
        "next": None,
        "ignored": {
            "count": 0,
            "codes": {},
            "why": {"not selected": 0, "ignored": 0, "accepted": 0},
        },
        "settings": {"file": None, "lowered": {}},
    }
    assert run("rank", folder, "--mode", "best").code == 2
