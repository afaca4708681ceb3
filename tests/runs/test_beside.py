"""Which logs may be a run's own: those that lie with it, and no other run's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ckptdoctor.runs.beside import Home, logs_beside


def laid(root: Path, *files: str) -> Path:
    """These files, empty."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


def home(folder: Path, name: str = "epoch", inside: Iterable[Path] = ()) -> Home:
    return Home(folder=folder, name=name, inside=tuple(inside) or (folder,))


def found(root: Path, own: Home, *others: Home) -> set[str]:
    return {str(path.relative_to(root.resolve())) for path in logs_beside(own, others)}


def epochs(folder: str, count: int = 3) -> list[str]:
    return [f"{folder}/epoch_{n}.pth" for n in range(count)]


def test_those_in_its_folder_and_in_logs(tmp_path: Path) -> None:
    laid(
        tmp_path,
        *epochs("exp/ckpt"),
        *("exp/ckpt/train.log", "exp/ckpt/logs/a.txt", "exp/val.log", "exp/logs/b.txt"),
        *("exp/other/c.txt", "far.log", "exp/ckpt/deep/er/d.log"),
    )
    assert found(tmp_path, home(tmp_path / "exp/ckpt")) == {
        *("exp/ckpt/train.log", "exp/ckpt/logs/a.txt", "exp/val.log", "exp/logs/b.txt"),
    }


@pytest.mark.parametrize("where", ["", "logs/"])
def test_above_several_runs_a_log_is_taken_by_the_run_it_names(tmp_path: Path, where: str) -> None:
    laid(
        tmp_path,
        *epochs("teal"),
        *epochs("mallard"),
        f"{where}teal.log",
        f"{where}mallard_2024.log",
        f"{where}pip.log",
        f"{where}train.log",
    )
    assert found(tmp_path, home(tmp_path / "teal")) == {f"{where}teal.log"}
    assert found(tmp_path, home(tmp_path / "mallard")) == {f"{where}mallard_2024.log"}


def test_the_other_run_needs_not_be_examined(tmp_path: Path) -> None:
    """The issue's own: only one folder was asked about, and the other's log told of a collapse."""
    laid(tmp_path, *epochs("old_loss"), *epochs("new_loss"), "old_loss.log", "new_loss.log")
    assert found(tmp_path, home(tmp_path / "old_loss")) == {"old_loss.log"}
    assert found(tmp_path, home(tmp_path / "old_loss"), home(tmp_path / "new_loss")) == {
        "old_loss.log"
    }


def test_a_name_that_begins_another_is_not_that_name(tmp_path: Path) -> None:
    laid(
        tmp_path,
        *(path for name in ("fold1", "fold10", "fold1_ema") for path in epochs(name)),
        *("fold1.log", "fold10.log", "fold1_ema.log"),
    )
    for name in ("fold1", "fold10", "fold1_ema"):
        assert found(tmp_path, home(tmp_path / name)) == {f"{name}.log"}


def test_the_log_of_fold_ten_is_not_that_of_fold_one_though_fold_ten_is_gone(
    tmp_path: Path,
) -> None:
    laid(tmp_path, *epochs("fold1"), *epochs("fold2"), "fold1.log", "fold10.log", "fold2.log")
    assert found(tmp_path, home(tmp_path / "fold1")) == {"fold1.log"}


def test_above_one_run_every_log_is_its_own(tmp_path: Path) -> None:
    laid(tmp_path, *epochs("checkpoints"), "train.log", "whatever.txt", "data/notes.txt")
    assert found(tmp_path, home(tmp_path / "checkpoints")) == {"train.log", "whatever.txt"}


def test_where_the_folder_above_holds_a_run_its_logs_are_that_ones(tmp_path: Path) -> None:
    laid(tmp_path, *epochs("."), *epochs("stage2"), "train.log", "stage2/train.log")
    assert found(tmp_path, home(tmp_path / "stage2")) == {"stage2/train.log"}


def test_of_two_families_in_one_folder_each_has_the_log_that_names_it(tmp_path: Path) -> None:
    laid(tmp_path, "G_1.pth", "D_1.pth", "G.log", "D.log", "train.log")
    mine, other = (home(tmp_path, name) for name in ("G", "D"))
    assert found(tmp_path, mine, other) == {"G.log", "train.log"}
    assert found(tmp_path, other, mine) == {"D.log", "train.log"}


def test_of_checkpoints_with_a_folder_each_the_last_ones_state_is_read(tmp_path: Path) -> None:
    steps = [tmp_path / f"out/checkpoint-{n}" for n in (500, 1000, 1500)]
    laid(tmp_path, *(f"out/{step.name}/trainer_state.json" for step in steps))
    own = home(tmp_path / "out", "checkpoint", steps)
    assert found(tmp_path, own) == {"out/checkpoint-1500/trainer_state.json"}


def test_versions_of_lightning_keep_to_their_own(tmp_path: Path) -> None:
    versions = [tmp_path / f"lightning_logs/version_{n}" for n in (0, 1)]
    laid(
        tmp_path,
        *(f"lightning_logs/{v.name}/{name}" for v in versions for name in ("metrics.csv", "x.log")),
        *(path for v in versions for path in epochs(f"lightning_logs/{v.name}/checkpoints")),
    )
    first, second = (home(version / "checkpoints") for version in versions)
    for own, other, name in ((first, second, "version_0"), (second, first, "version_1")):
        assert found(tmp_path, own, other) == {
            f"lightning_logs/{name}/metrics.csv",
            f"lightning_logs/{name}/x.log",
        }


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert logs_beside(home(tmp_path / "gone/deep"), []) == []


def test_no_more_than_can_be_read(tmp_path: Path) -> None:
    laid(tmp_path, *(f"job_{n}.log" for n in range(60)), *epochs("."))
    assert len(logs_beside(home(tmp_path), [])) == 20


def test_a_log_named_by_a_part_of_a_runs_name_is_that_runs(tmp_path: Path) -> None:
    laid(tmp_path, "net_fold0_ep_1.pth", "net_fold1_ep_1.pth", "fold0.log", "fold1.log", "all.txt")
    first, second = home(tmp_path, "net_fold0_ep"), home(tmp_path, "net_fold1_ep")
    assert found(tmp_path, first, second) == {"fold0.log", "all.txt"}
    assert found(tmp_path, second, first) == {"fold1.log", "all.txt"}


def test_the_folder_of_a_tracker_is_a_runs_if_it_names_it(tmp_path: Path) -> None:
    events = "events.out.tfevents.1.host.1"
    laid(
        tmp_path,
        *(path for name in ("teal", "mallard") for path in epochs(name)),
        *(f"runs/{name}/{events}" for name in ("teal", "mallard", "other")),
        "wandb/offline-run-1-ab/files/output.log",
    )
    assert found(tmp_path, home(tmp_path / "teal")) == {f"runs/teal/{events}"}
    assert found(tmp_path, home(tmp_path / "heron")) == set()


def test_above_one_run_the_trackers_folder_is_its_own(tmp_path: Path) -> None:
    laid(tmp_path, *epochs("checkpoints"), "wandb/offline-run-1-ab/files/output.log", "log/a.log")
    own = {"wandb/offline-run-1-ab/files/output.log", "log/a.log"}
    assert found(tmp_path, home(tmp_path / "checkpoints")) == own


def test_a_packed_or_rotated_log_has_the_name_of_what_it_was(tmp_path: Path) -> None:
    laid(
        tmp_path,
        *("net_fold0_ep_1.pth", "net_fold1_ep_1.pth"),
        *("fold0.log.1", "fold0.log", "fold1.log.2", "all.txt"),
    )
    first, second = home(tmp_path, "net_fold0_ep"), home(tmp_path, "net_fold1_ep")
    assert found(tmp_path, first, second) == {"fold0.log", "fold0.log.1", "all.txt"}


@pytest.mark.parametrize("newest", [None, ""])
def test_a_last_save_that_was_cut_short_hides_no_log(newest: str | None, tmp_path: Path) -> None:
    folders = [tmp_path / f"checkpoint-{step}" for step in (9, 10, 11)]
    for folder in folders:
        folder.mkdir()
    for folder in folders[:2]:
        (folder / "trainer_state.json").write_text('{"log_history": [{"step": 9, "loss": 1.0}]}')
    if newest is not None:
        (folders[2] / "trainer_state.json").write_text(newest)
    found = logs_beside(home(tmp_path, inside=folders), [])
    assert [log.parent.name for log in found] == ["checkpoint-10"]
