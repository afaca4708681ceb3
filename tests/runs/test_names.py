"""What runs are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.membership import Group
from ckptdoctor.runs.names import Homes, told_apart
from tests.each import each
from tests.runs.members import numbered

ROOT = Path("/no/such/place")


def called(*runs: tuple[str, str]) -> list[str]:
    return told_apart([Group(folder=ROOT / f, name=n, members=()) for f, n in runs])


@each(
    ("runs", "wanted"),
    [
        ([("out/ckpt", "epoch")], ["ckpt"]),
        ([("out", "G"), ("out", "D")], ["G", "D"]),
        ([("a", "epoch"), ("b", "epoch")], ["a", "b"]),
        ([("a/ckpt", "epoch"), ("b/ckpt", "epoch")], ["a/ckpt", "b/ckpt"]),
        (
            [("l/version_0/checkpoints", "epoch"), ("l/version_1/checkpoints", "epoch")],
            ["version_0/checkpoints", "version_1/checkpoints"],
        ),
        ([("a", "G"), ("a", "D"), ("b", "epoch")], ["a/G", "a/D", "b"]),
    ],
)
def test_by_what_differs(runs: Sequence[tuple[str, str]], wanted: list[str]) -> None:
    assert called(*runs) == wanted
    assert called(*runs[::-1]) == wanted[::-1]


def test_the_folder_of_a_version_says_where_its_files_lie_where_there_are_others() -> None:
    groups = [
        Group(
            folder=ROOT / f"l/version_{at}", name="epoch", members=tuple(numbered(pattern, (1, 2)))
        )
        for at in (0, 1)
        for pattern in [f"l/version_{at}/checkpoints/epoch={{}}.ckpt"]
    ]
    assert told_apart(groups) == ["version_0/checkpoints", "version_1/checkpoints"]
    assert told_apart(groups[:1]) == ["version_0"]


def test_a_number_that_is_added_is_not_the_name_of_another() -> None:
    found = called(("a", "G"), ("a", "G"), ("a", "G (2)"))
    assert found == ["G (1)", "G (3)", "G (2)"]


def test_at_the_root_of_the_disk_there_is_a_name_as_well() -> None:
    groups = [Group(folder=Path(one), name="G", members=()) for one in ("/ckpt", "/a/ckpt", "/")]
    assert told_apart(groups) == ["ckpt", "a/ckpt", "/"]


def test_runs_that_were_told_before_count_as_well() -> None:
    """Each run is told as soon as it is read, by a name that no other has."""
    last = Group(folder=ROOT / "c/ckpt", name="epoch", members=())
    assert told_apart([last]) == ["ckpt"]
    assert told_apart([last], Homes([ROOT / "a/ckpt"])) == ["c/ckpt"]
    every = Homes([ROOT / "a/ckpt", ROOT / "c/ckpt"])
    assert told_apart([last], every) == ["c/ckpt"]
    assert told_apart([last], Homes([ROOT / "a/other"])) == ["ckpt"]
    two = [replace(last, name=name) for name in ("G", "D")]
    assert told_apart(two, Homes([ROOT / "a/other"])) == ["ckpt/G", "ckpt/D"]


@pytest.mark.parametrize("family", ["G", "ckpt"])
def test_a_family_that_is_called_like_a_folder_is_told_apart_in_any_order(family: str) -> None:
    runs = [("a", "G"), ("a", "ckpt"), ("a/ckpt", family), ("b/ckpt", family)]
    there, back = called(*runs), called(*runs[::-1])
    assert there == back[::-1]


folders = st.sampled_from(["a", "b", "a/ckpt", "b/ckpt", "a/b/ckpt", "ckpt", "."])
families = st.sampled_from(["G", "D", "epoch", "unet_epoch"])


@given(st.lists(st.tuples(folders, families), max_size=8))
def test_no_two_have_the_same_name(runs: list[tuple[str, str]]) -> None:
    found = called(*runs)
    assert len(found) == len(runs)
    assert len(set(found)) == len(found)
    assert "" not in found


@given(st.data(), st.lists(st.tuples(folders, families), max_size=6, unique=True))
def test_a_name_does_not_depend_on_the_order_of_the_runs(
    data: st.DataObject, runs: list[tuple[str, str]]
) -> None:
    mixed = data.draw(st.permutations(runs))
    assert dict(zip(runs, called(*runs), strict=True)) == dict(
        zip(mixed, called(*mixed), strict=True)
    )
