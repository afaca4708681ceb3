"""``ckptdoctor history`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.cli.support import ANSI, run

VALUES = [0.60, 0.61, 0.62, 0.6413, 0.6371, 0.6345, 0.6312, 0.002]


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A folder of checkpoints under a folder with a log."""
    text = "".join(f"Epoch {e}: Loss: 0.2 | IoU: {v}\n" for e, v in enumerate(VALUES, start=85))
    (tmp_path / "training.log").write_text(text)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for epoch in (85, 88, 92):
        save(folder / f"epoch_{epoch}.pth", {"epoch": epoch, "model": {"w": torch.ones(3)}})
    return folder


def test_what_happened_is_shown_and_sets_the_exit_code(story: Path) -> None:
    outcome = run("history", story)
    assert outcome.code == 1
    assert "CD402 IoU collapsed from 0.6413 at epoch 88 to 0.002 at epoch 92" in outcome.stdout
    assert f"Next:      ckptdoctor plan {story}" in outcome.stdout
    assert not ANSI.search(outcome.stdout)
    assert run("history", story, "--fail-on", "never").code == 0


def test_a_log_will_do_for_a_path(story: Path, tmp_path: Path) -> None:
    for arguments in (
        [tmp_path / "training.log"],
        [tmp_path],
        ["--log", tmp_path / "training.log"],
    ):
        found = run("history", *arguments, "-f", "json", cwd=tmp_path).json
        assert found["best"]["epoch"] == 88
        assert (found["decline"]["from"], found["decline"]["to"]) == (89, 91)


def test_metric_mode_and_pattern(tmp_path: Path) -> None:
    (tmp_path / "odd.log").write_text("".join(f"E{e};{9 - e};{e / 9}\n" for e in range(8)))
    pattern = r"E(?P<epoch>\d+);(?P<dist>\S+);(?P<iou>\S+)"
    found = run(
        *("history", tmp_path / "odd.log", "--log-pattern", pattern, "-f", "json"),
        *("--metric", "dist", "--mode", "min"),
    ).json
    assert (found["metric"], found["mode"], found["best"]["value"]) == ("dist", "min", 2.0)
    wrong = run("history", tmp_path / "odd.log", "--log-pattern", "(")
    assert wrong.code == 2
    assert "--log-pattern" in wrong.stderr


def test_csv_html_and_a_file(story: Path, tmp_path: Path) -> None:
    assert run("history", story, "-f", "csv").stdout.count("\n") == len(VALUES) + 1
    out = tmp_path / "h.html"
    assert run("history", story, "-f", "html", "-o", out).stdout == ""
    assert "<svg" in out.read_text()


def test_nothing_known_is_3_in_every_format(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", {"model": {"w": torch.ones(3)}})
    table = run("history", tmp_path)
    assert (table.code, table.stdout) == (3, "")
    assert "name a log with --log" in table.stderr
    found = run("history", tmp_path, "-f", "json")
    assert (found.code, found.json["points"]) == (3, [])
    assert run("history", tmp_path / "gone").code == 3


def test_a_log_that_is_not_there_is_said(story: Path, tmp_path: Path) -> None:
    outcome = run("history", story, "--log", tmp_path / "gone.log")
    assert outcome.code != 0
    assert "gone.log" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_damaged_checkpoint_does_not_end_it(story: Path) -> None:
    (story / "broken.pth").write_bytes(b"PK\x03\x04nonsense")
    assert run("history", story).code == 1


def test_a_log_without_a_metric_says_what_it_holds(tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    log.write_text("".join(f"epoch {e} foo={e / 7:.3f} bar={e}\n" for e in range(1, 6)))
    found = run("history", log)
    assert (found.code, found.stdout) == (3, "")
    assert "odd.log was read as lines of text, utf-8; it holds foo, bar" in found.stderr
    assert "--metric NAME --mode max (or min)" in found.stderr
    named = run("history", log, "--metric", "foo", "--mode", "max", "-f", "json")
    assert (named.code, named.json["best"]["epoch"]) == (0, 5)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    found = run("history", "nothere.log", cwd=tmp_path)
    assert (found.code, found.stdout) == (3, "")
    assert "nothere.log: no such file or folder" in found.stderr


def test_how_each_log_was_read_is_told_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    text = "".join(f"Epoch {e}: val_iou: {e / 9:.3f}\n" for e in range(1, 6))
    log.write_text(text, encoding="utf-16")
    loud = run("history", log, "-v")
    assert "Log:       train.log: lines of text, utf-16" in loud.stdout
    assert "5 places with val_iou" in loud.stdout
    (told,) = run("history", log, "-f", "json").json["log_readings"]
    assert (told["believed"], told["values"], told["rows"]) == (True, ["val_iou"], 5)
    assert told["encoding"].startswith("utf-16")
