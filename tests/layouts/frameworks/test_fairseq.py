from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.frameworks.fairseq import LAYOUT
from tests.each import each
from tests.layouts.claims import absent, claim, claims, prefixes, touch

SHARDS = [f"checkpoint3-shard{n}.pt" for n in range(3)]


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    found = claim(LAYOUT, touch(tmp_path, SHARDS))
    assert (found.path, found.layout) == (tmp_path / SHARDS[0], "fairseq")
    assert prefixes(found) == {SHARDS[0]: "", SHARDS[1]: "shard_1.", SHARDS[2]: "shard_2."}
    assert absent(found) == {}


def test_each_epoch_has_its_own(tmp_path: Path) -> None:
    names = [f"checkpoint{which}-shard{n}.pt" for which in ("3", "4", "_last") for n in (0, 1)]
    found = claims(LAYOUT, touch(tmp_path, [*names, "checkpoint5.pt"]))
    assert [files.path.name for files in found] == [
        "checkpoint3-shard0.pt",
        "checkpoint4-shard0.pt",
        "checkpoint_last-shard0.pt",
    ]
    # What the parts are called in every checkpoint of the run.
    assert {part.sibling for files in found for part in files.parts} == {
        "checkpoint-shard0.pt",
        "checkpoint-shard1.pt",
    }


@pytest.mark.parametrize("lost", SHARDS[:2])
def test_a_shard_is_missed(tmp_path: Path, lost: str) -> None:
    (touch(tmp_path, SHARDS) / lost).unlink()
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {lost: "model"}
    assert found.path.exists()


def test_experts_have_files_of_their_own(tmp_path: Path) -> None:
    names = ["checkpoint_last-shared-shard0.pt", "checkpoint_last-shared-shard1.pt"]
    names += [f"checkpoint_last-rank-{n}-shard{n}.pt" for n in range(3)]
    found = claim(LAYOUT, touch(tmp_path, names))
    assert absent(found) == {}
    assert prefixes(found)["checkpoint_last-shared-shard0.pt"] == ""
    assert prefixes(found)["checkpoint_last-rank-0-shard0.pt"] == "rank_0.shard_0."
    (tmp_path / "checkpoint_last-rank-1-shard1.pt").unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {"checkpoint_last-rank-1-shard1.pt": "model"}


def test_every_part_is_in_every_shard(tmp_path: Path) -> None:
    names = [f"checkpoint_1_50-model_part-{m}-shard{s}.pt" for m in (0, 1) for s in (0, 1)]
    assert absent(claim(LAYOUT, touch(tmp_path, names))) == {}
    (tmp_path / names[2]).unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {names[2]: "model"}


@each(
    "names",
    [
        ["checkpoint3.pt", "checkpoint_last.pt"],
        ["model-rank-0.pt", "model-rank-1.pt"],
        ["checkpoint-300.pt"],
        ["model-shard.pt"],
        ["checkpoint-rank.pt"],
        ["checkpoint3-shard0.pt.tmp"],
    ],
)
def test_other_files_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert claims(LAYOUT, touch(tmp_path, names)) == []
