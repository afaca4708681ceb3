from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.layouts.assemble import in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Index, Part, PartRole
from ckptdoctor.layouts.weights.index_check import misplaced_in, missing_in, with_indexes

MAPPED = {"1": ("a", "b"), "2": ("c",)}
NBYTES = 3 * 16


def index(**changes: object) -> Index:
    return replace(Index(name="index.json", mapped=MAPPED, nbytes=NBYTES), **changes)  # type: ignore[arg-type]


def held(tmp_path: Path, **shards: Mapping[str, int]) -> dict[str, tuple[TensorRecord, ...]]:
    """The tensors of shards ``_1`` and ``_2``: how many elements each has."""
    found = {}
    for shard, sizes in shards.items():
        path = tmp_path / f"{shard}.safetensors"
        save_file({name: torch.ones(numel) for name, numel in sizes.items()}, path)
        found[shard[1:]] = open_checkpoint(path).tensors
    return found


def test_shards_that_hold_what_the_index_says(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4, "b": 4}, _2={"c": 4})
    assert not list(missing_in(index(), shards))
    assert not list(misplaced_in(index(), shards))


def test_a_tensor_that_lies_in_no_shard(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4}, _2={"c": 4})
    (lost,) = missing_in(index(prefix="unet.", role=PartRole.EMA), shards)
    assert (lost.name, lost.role, lost.tensors) == ("1", PartRole.EMA, ("unet.b",))
    assert "b" in lost.problem


def test_a_shard_of_another_model(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4, "b": 4}, _2={"z": 4})
    assert [lost.tensors for lost in missing_in(index(), shards)] == [("c",)]
    (problem,) = misplaced_in(index(), shards)
    assert problem.evidence == {"part": "2"}


def test_a_tensor_in_another_shard_is_not_lost(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4}, _2={"b": 4, "c": 4})
    assert not list(missing_in(index(), shards))
    assert [problem.subject for problem in misplaced_in(index(), shards)] == ["2"]


def test_shards_that_were_not_read_say_nothing(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4, "b": 4})
    assert not list(missing_in(index(), shards))
    assert not list(misplaced_in(index(), shards))


def test_bytes_that_do_not_sum_up(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4, "b": 4}, _2={"c": 5})
    (problem,) = misplaced_in(index(), shards)
    assert problem.subject == "index.json"
    assert str(NBYTES) in problem.message
    assert not list(misplaced_in(index(nbytes=None), shards))


def test_weights_that_are_tied_are_stored_once(tmp_path: Path) -> None:
    mapped = {"1": ("lm_head.weight", "b"), "2": ("embed.weight",)}
    shards = held(tmp_path, _1={"b": 4}, _2={"embed.weight": 8})
    tied = index(mapped=mapped, tied=True, nbytes=48)
    assert not list(missing_in(tied, shards))
    assert list(missing_in(replace(tied, tied=False), shards))
    # Written by an old transformers, which counted the shared weights twice.
    assert not list(misplaced_in(replace(tied, nbytes=48 + 32), shards))
    assert list(misplaced_in(replace(tied, nbytes=48 + 64), shards))


def test_names_that_safetensors_gives_to_another_tensor(tmp_path: Path) -> None:
    shards = held(tmp_path, _1={"a": 4}, _2={"c": 4})
    assert not list(missing_in(index(), shards, stored_once={"b"}))


def test_tensors_are_looked_for_under_the_names_that_the_shards_give_them(tmp_path: Path) -> None:
    """The checkpoint puts a prefix before them, and the file where two shards have the same."""
    read, taken = [], set[str]()
    for name, tensor in (("1", "a"), ("2", "c"), ("3", "c")):
        path = tmp_path / f"{name}.safetensors"
        save_file({tensor: torch.ones(4)}, path)
        part = Part(path=path, name=name, role=PartRole.MODEL, prefix="unet.")
        known = in_checkpoint(open_checkpoint(path), part, taken)
        taken |= {one.fqn for one in known.tensors}
        read.append((part, known))
    assert taken == {"unet.a", "unet.c", "3:unet.c"}
    parts = tuple(part for part, _ in read)
    mapped = {"1": ("a", "b"), "2": ("c",), "3": ("c",)}
    files = CheckpointFiles(
        path=tmp_path,
        layout="any",
        parts=parts,
        indexes=(Index(name="index.json", mapped=mapped, prefix="unet."),),
    )
    checked = with_indexes(files, read)
    assert [(one.name, one.tensors) for one in checked.absent] == [("1", ("unet.b",))]
    assert not checked.problems
