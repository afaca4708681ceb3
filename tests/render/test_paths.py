"""Names cut to a width: what tells them apart stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.render.paths import names_apart, shorten_apart

LONG = [
    f"segformer_b2_cityscapes_512x1024_epoch_{epoch:04d}_val_miou_{0.6143 + epoch / 1000:.4f}.pth"
    for epoch in range(80, 100)
]
letters = st.text(st.characters(exclude_characters="…\0/"), max_size=40)


def test_names_that_fit_stay_as_they_are() -> None:
    names = ["epoch_1.pth", "epoch_10.pth", "epoch_1.pth"]
    assert shorten_apart(names, 12) == names
    assert shorten_apart([], 12) == []


def test_the_number_that_counts_stays_whole() -> None:
    short = shorten_apart(LONG, 30)
    assert len(set(short)) == len(LONG)
    assert all(len(name) <= 30 for name in short)
    assert all(f"{epoch:04d}" in name for epoch, name in enumerate(short, start=80))
    assert short[7] == "segf…4_epoch_0087_val…7013.pth"


def test_one_of_them_alone_loses_its_middle() -> None:
    assert shorten_apart([LONG[0]], 30) == ["segformer_…val_miou_0.6943.pth"]


def test_families_are_told_apart_as_well() -> None:
    names = [
        f"{family}_cityscapes_512x1024_{'x' * 40}_last.pth" for family in ("segformer", "unet")
    ]
    short = shorten_apart(names, 24)
    assert short[0].startswith("segformer")
    assert short[1].startswith("unet")


def test_two_numbers_are_kept_where_one_does_not_suffice() -> None:
    names = [
        f"{'deeplab' * 6}_fold_{fold}_epoch_{epoch:03d}" for fold in (1, 2) for epoch in (1, 2)
    ]
    short = shorten_apart(names, 28)
    assert len(set(short)) == 4
    assert all("_epoch_00" in name or "00" in name for name in short)


def test_equal_names_stay_equal() -> None:
    short = shorten_apart([LONG[0], LONG[1], LONG[0]], 30)
    assert short[0] == short[2] != short[1]


@given(st.lists(st.text(max_size=80), max_size=12), st.integers(4, 60))
def test_every_name_fits(names: list[str], width: int) -> None:
    short = shorten_apart(names, width)
    assert len(short) == len(names)
    assert all(len(name) <= width for name in short)
    for name, cut in zip(names, short, strict=True):
        assert cut == name or len(name) > width


@given(letters, st.lists(letters, min_size=1, max_size=8, unique=True), letters, st.integers(8, 60))
def test_different_names_stay_different_where_there_is_room(
    head: str, middles: list[str], tail: str, width: int
) -> None:
    names = [f"{head}{middle}{tail}" for middle in middles]
    if max(map(len, middles)) + 2 <= width:
        assert len(set(shorten_apart(names, width))) == len(names)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=30, unique=True),
    st.sampled_from(["{0}_val_{1}", "{1}_{0}", "step={0}-loss={1}", "{0:07d}"]),
    st.integers(24, 60),
)
def test_numbers_tell_apart_wherever_they_stand(
    numbers: list[int], middle: str, width: int
) -> None:
    names = [
        f"{'resnet' * 8}_{middle.format(number, 7)}_{'augmented' * 6}.ckpt" for number in numbers
    ]
    short = shorten_apart(names, width)
    assert len(set(short)) == len(names)
    assert all(str(number) in name for number, name in zip(numbers, short, strict=True))


@pytest.mark.parametrize("width", [0, 1, 2, 3])
def test_no_width_is_too_small(width: int) -> None:
    assert len(shorten_apart(LONG, width)) == len(LONG)


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("out/state.json"), Path("out/last/state.json"), Path("out/train.log")]
    assert names_apart(paths) == ["out/state.json", "last/state.json", "train.log"]
