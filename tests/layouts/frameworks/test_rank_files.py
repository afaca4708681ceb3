from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.frameworks.rank_files import LAYOUT
from tests.each import each
from tests.layouts.claims import absent, claim, claims, prefixes, roles, touch


@each(
    "name",
    [
        "rank{}.pt",
        "rank_{}.pt",
        "model_rank_{}.pt",
        "model_rank{}_of_4.pt",
        "model-rank-{}.bin",
        "model-0{}-of-04.pt",
        "consolidated.0{}.pth",
        "model_world_size_4_rank_{}.pt",
    ],
)
def test_ranks_are_one_checkpoint(tmp_path: Path, name: str) -> None:
    names = [name.format(rank) for rank in range(4)]
    found = claim(LAYOUT, touch(tmp_path, names))
    assert (found.path, found.layout) == (tmp_path, "ranks")
    assert absent(found) == {}
    assert [*prefixes(found).items()] == [
        (names[0], ""),
        (names[1], "rank_1."),
        (names[2], "rank_2."),
        (names[3], "rank_3."),
    ]
    (tmp_path / names[2]).unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {names[2]: "model"}


@each("name", ["m_rank{}_of_4.pt", "m-0{}-of-04.pt", "m_world_size_4_rank_{}.pt"])
@each("lost", [0, 3])
def test_the_number_of_ranks_is_in_the_name(tmp_path: Path, name: str, lost: int) -> None:
    names = [name.format(rank) for rank in range(4)]
    (touch(tmp_path, names) / names[lost]).unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {names[lost]: "model"}


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_shards_are_counted_from_one(tmp_path: Path, lost: int) -> None:
    names = [f"part-{rank:05d}-of-00003.pt" for rank in (1, 2, 3)]
    (touch(tmp_path, names) / names[lost - 1]).unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {names[lost - 1]: "model"}


def test_more_than_nine_ranks(tmp_path: Path) -> None:
    names = [f"rank{rank}.pt" for rank in range(12)]
    (touch(tmp_path, names) / "rank3.pt").unlink()
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {"rank3.pt": "model"}
    assert [part.name for part in found.parts][-2:] == ["rank10.pt", "rank11.pt"]


def test_every_epoch_is_a_checkpoint(tmp_path: Path) -> None:
    names = [f"ckpt_epoch_{epoch}_rank_{rank}.pt" for epoch in (1, 2) for rank in (0, 1)]
    found = claims(LAYOUT, touch(tmp_path, names))
    assert [files.path.name for files in found] == [names[0], names[2]]
    (tmp_path / names[3]).unlink()
    # It is known for one of a series, whose others have more ranks.
    assert len(claims(LAYOUT, tmp_path)) == 2
    (tmp_path / names[2]).unlink()
    touch(tmp_path, [names[3]])
    assert absent(claims(LAYOUT, tmp_path)[1]) == {names[2]: "model"}


def test_optimizers_stand_beside_their_models(tmp_path: Path) -> None:
    names = [
        f"{part}_world_size_2_rank_{rank}.pt"
        for part in ("model", "optim", "extra_state")
        for rank in (0, 1)
    ]
    found = claim(LAYOUT, touch(tmp_path, names))
    assert [*roles(found).values()] == ["model"] * 2 + ["optimizer"] * 2 + ["state"] * 2
    assert prefixes(found)["optim_world_size_2_rank_1.pt"] == "rank_1.optim."
    (tmp_path / names[0]).unlink()
    (tmp_path / names[3]).unlink()
    (tmp_path / names[5]).unlink()  # one rank may have it for all
    assert absent(claim(LAYOUT, tmp_path)) == {names[0]: "model", names[3]: "optimizer"}


def test_actor_and_critic_are_one_checkpoint(tmp_path: Path) -> None:
    step = tmp_path / "global_step_50"
    names = [
        f"{part}/model_world_size_2_rank_{rank}.pt"
        for part in ("actor", "critic")
        for rank in (0, 1)
    ]
    touch(step, [*names, "data.pt"])
    found = claims(LAYOUT, step)[0]
    assert (found.path, found.scalars) == (step, {"global_step": 50})
    assert roles(found) == dict.fromkeys(names, "model") | {"data.pt": "state"}
    assert prefixes(found)[names[2]] == "critic."
    (step / names[3]).unlink()
    assert absent(claims(LAYOUT, step)[0]) == {names[3]: "model"}


@each(
    "names",
    [
        ["checkpoint_rank0.pt"],
        ["epoch_1_rank_0.pt", "epoch_2_rank_0.pt"],
        ["lora_rank_4.pt", "lora_rank_8.pt"],
        ["model_rank4.pt", "model_rank8.pt"],
        ["rng_state_rank0.pth", "rng_state_rank1.pth"],
        ["model-1-of-1.pt"],
        ["rank0.txt", "rank1.txt"],
        ["frank0.pt", "frank1.pt"],
        ["consolidated.00.pth"],
    ],
)
def test_other_files_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert claims(LAYOUT, touch(tmp_path, names)) == []
