"""Which files a path means."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import ckptdoctor
from ckptdoctor.finding import Verdict
from ckptdoctor.natural import natural_key
from ckptdoctor.runs.discover import default_paths, discover
from tests.builders import save


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def names(paths: list[Path], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_a_folder_means_all_checkpoints_below_it_in_the_order_people_count(tmp_path: Path) -> None:
    for name in ("e10.pth", "e9.pth", "sub/a.ckpt", "sub/deep/b.safetensors", "c.pth.tar"):
        touch(tmp_path / name)
    found = discover([tmp_path])
    assert names(found.files, tmp_path) == [
        *("c.pth.tar", "e9.pth", "e10.pth", "sub/a.ckpt", "sub/deep/b.safetensors"),
    ]
    assert not found.missing
    assert not found.empty


def test_hidden_and_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    hidden = (".git/a.pth", "lib/site-packages/x/b.pth", "__pycache__/c.pth", ".d.pth", "n.txt")
    for name in hidden:
        touch(tmp_path / name)
    found = discover([tmp_path])
    assert found.files == []
    assert found.empty == [tmp_path]


def test_other_names_count_if_the_first_bytes_say_so(tmp_path: Path) -> None:
    state = {"w": torch.zeros(1)}
    save(tmp_path / "zip.weird", state)
    save(tmp_path / "legacy", state, _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": 1}))
    with zipfile.ZipFile(tmp_path / "doc.docx", "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    os.mkfifo(tmp_path / "pipe")
    assert names(discover([tmp_path]).files, tmp_path) == ["legacy", "zip.weird"]


def test_a_part_of_a_distributed_checkpoint_is_not_one_by_itself(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "model.pt")
    (tmp_path / "model.pt").rename(tmp_path / "__0_0.distcp")
    assert discover([tmp_path]).files == [tmp_path]
    assert discover([tmp_path / "__0_0.distcp"]).files == [tmp_path / "__0_0.distcp"]


def test_a_file_counts_whatever_it_is_called(tmp_path: Path) -> None:
    path = touch(tmp_path / "notes.txt")
    assert discover([path]).files == [path]


def test_globs_are_expanded_where_the_shell_did_not(tmp_path: Path) -> None:
    for name in ("a_1.pth", "a_10.pth", "a_2.pth", "b.pth"):
        touch(tmp_path / name)
    found = discover([tmp_path / "a_*.pth"])
    assert names(found.files, tmp_path) == ["a_1.pth", "a_2.pth", "a_10.pth"]


def test_what_names_nothing_is_missing(tmp_path: Path) -> None:
    found = discover([tmp_path / "gone", tmp_path / "*.none"])
    assert found.files == []
    assert found.missing == [tmp_path / "gone", tmp_path / "*.none"]


def test_a_file_named_twice_or_linked_is_examined_once(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.pth")
    (tmp_path / "b.pth").symlink_to(path)
    found = discover([tmp_path, path, tmp_path / "*.pth"])
    assert names(found.files, tmp_path) == ["a.pth"]


def test_what_the_parts_of_a_checkpoint_link_to_is_no_checkpoint_beside_it(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "4f2a"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number in (1, 2):
        name = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: torch.ones(2)}, blobs / f"{number:064x}")
        (snapshot / name).symlink_to(f"../../blobs/{number:064x}")
    save(tmp_path / "other.pth", {})
    assert names(discover([tmp_path]).files, tmp_path) == ["other.pth", "snapshots/4f2a"]


def test_a_dangling_link_is_examined_so_that_it_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.pth").symlink_to(tmp_path / "gone.pth")
    assert names(discover([tmp_path]).files, tmp_path) == ["a.pth"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path / "a.pth")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(discover([tmp_path]).files, tmp_path) == ["a.pth"]


def test_without_a_path_the_variable_then_the_habit_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CKPTDOCTOR_DIR", raising=False)
    assert default_paths() == [Path()]
    (tmp_path / "checkpoints").mkdir()
    assert default_paths() == [Path("checkpoints")]
    monkeypatch.setenv("CKPTDOCTOR_DIR", "elsewhere")
    assert default_paths() == [Path("elsewhere")]
    assert discover([]).missing == [Path("elsewhere")]


def test_numbers_sort_as_numbers() -> None:
    paths = [Path(name) for name in ("e10.pth", "e9.pth", "e1.pth", "e.pth")]
    assert [p.name for p in sorted(paths, key=natural_key)][:3] == ["e1.pth", "e9.pth", "e10.pth"]


@pytest.mark.parametrize("name", ["²", "m²", "m3²4.pth", "٣.pth", "x٣², 10.pth"])
def test_strange_digits_sort_too(name: str) -> None:
    paths = [Path("m2.pth"), Path(name), Path("m1.pth")]
    order = sorted(paths, key=natural_key)
    assert set(order) == set(paths)
    assert order.index(Path("m1.pth")) < order.index(Path("m2.pth"))


def test_a_folder_without_a_checkpoint_is_said_and_the_others_are_seen(tmp_path: Path) -> None:
    good = touch(tmp_path / "good" / "a.pth")
    (tmp_path / "none").mkdir()
    found = discover([tmp_path / "none", tmp_path / "good"])
    assert (found.files, found.empty, found.missing) == ([good], [tmp_path / "none"], [])


def test_a_name_with_brackets_is_a_name_before_it_is_a_glob(tmp_path: Path) -> None:
    path = touch(tmp_path / "epoch[1].pth")
    touch(tmp_path / "epoch1.pth")
    assert discover([path]).files == [path]


def test_a_glob_may_go_into_folders(tmp_path: Path) -> None:
    for name in ("a/x.pth", "a/b/y.pth", "z.pth"):
        touch(tmp_path / name)
    found = discover([tmp_path / "**" / "*.pth"])
    assert names(found.files, tmp_path) == ["a/b/y.pth", "a/x.pth", "z.pth"]


def test_a_dangling_link_under_another_name_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert discover([tmp_path]).files == []


def test_a_part_in_another_folder_is_no_checkpoint_of_its_own(tmp_path: Path) -> None:
    for name in ("epoch_0/model-00001-of-00001.bin", "recipe_state/recipe_state.pt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"tensors")
    assert [files.path.name for files in discover([tmp_path]).checkpoints] == ["epoch_0"]


def test_parts_that_are_named_from_within_their_folder_are_their_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint-500"
    folder.mkdir()
    shards = [f"model-0000{at}-of-00002.safetensors" for at in (1, 2)]
    for name, shard in zip("ab", shards, strict=True):
        save_file({name: torch.ones(2)}, folder / shard)
    index = {"weight_map": dict(zip("ab", shards, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    monkeypatch.chdir(folder)
    (found,) = discover([Path(shard) for shard in shards]).checkpoints
    assert (found.path.name, len(found.parts)) == ("checkpoint-500", 3)
    (report,) = ckptdoctor.scan(*shards).checkpoints
    assert report.verdict is Verdict.HEALTHY
