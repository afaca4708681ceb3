"""Files of which names tell that they cannot be of one run are judged apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.files import Pointer
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.runs.division import Division, divided

ROOT = Path("/r")


def made(
    *names: str,
    pointers: tuple[Pointer, ...] = (),
    averaged: tuple[str, ...] = (),
    **restored: str,
) -> Division:
    """The parts of files; ``b="a/1.pt"`` says that those below b were restored from there."""

    def source(path: Path) -> RestoredFrom | None:
        found = restored.get(path.parent.name)
        if found is None:
            return None
        return RestoredFrom(
            source=ROOT / found,
            epoch=None,
            scale=1.0,
            set_lr=None,
            actions=(),
            averaged=tuple(ROOT / one for one in averaged),
        )

    return divided([ROOT / name for name in names], source, pointers)


TWO = ("a/epoch_1.pt", "a/epoch_2.pt", "b/epoch_1.pt", "b/epoch_2.pt")


def pointer(path: str, leads_to: str = "") -> Pointer:
    return Pointer(path=ROOT / path, target="x", leads_to=ROOT / leads_to if leads_to else None)


def test_each_folder_is_a_part_in_the_order_of_the_files() -> None:
    found = made("b/epoch_1.pt", "a/epoch_1.pt", "b/epoch_2.pt", "a/epoch_2.pt")
    assert found.part_of == (0, 1, 0, 1)
    assert not found.has_lone


def test_a_file_beside_no_other_of_its_series_may_be_a_run_that_begins() -> None:
    assert made("a/epoch_1.pt", "a/epoch_2.pt", "b/epoch_1.pt").has_lone
    assert made("a/epoch_1.pt", "a/unet.pt").has_lone
    assert not made("a/epoch_1.pt", "a/epoch_2.pt", "a/unet.pt").has_lone


def test_what_was_restored_from_another_folder_is_of_its_part() -> None:
    apart = made("a/epoch_1.pt", "a/epoch_2.pt", "b/epoch_1.pt", "b/epoch_2.pt")
    joined = made("a/epoch_1.pt", "a/epoch_2.pt", "b/epoch_1.pt", "b/epoch_2.pt", b="a/epoch_2.pt")
    assert (apart.part_of, joined.part_of) == ((0, 0, 1, 1), (0, 0, 0, 0))


def test_a_mean_is_of_the_parts_of_all_that_it_was_made_of() -> None:
    means = ("a/epoch_1.pt", "b/epoch_1.pt")
    found = made(*TWO, "c/mean.pt", c="a/epoch_1.pt", averaged=means)
    assert found.part_of == (0, 0, 0, 0, 0)


def test_parts_are_joined_over_others() -> None:
    found = made(*TWO, "c/epoch_1.pt", "d/epoch_1.pt", b="a/epoch_1.pt", c="b/epoch_1.pt")
    assert found.part_of == (0, 0, 0, 0, 0, 1)
    assert made("a/x_1.pt", "b/x_1.pt", a="b/x_1.pt", b="a/x_1.pt").part_of == (0, 0)


def test_a_model_at_the_root_of_a_run_is_of_it() -> None:
    found = made("run/checkpoint-1", "run/checkpoint-2", "run", "other/checkpoint-1", "lone")
    assert found.part_of == (0, 0, 0, 1, 0), "what lies beside the root may belong to it as well"
    assert made("run/checkpoint-1", "lone").part_of == (0, 1)


def test_a_pointer_is_of_the_part_that_it_lies_in_and_of_that_which_it_names() -> None:
    nowhere, within = pointer("a/latest"), pointer("b/global_step1/latest")
    found = made("a/epoch_1.pt", "b/global_step1", pointers=(nowhere, within))
    assert (found.part_of, found.pointers) == ((0, 1), {0: [nowhere], 1: [within]})
    above = pointer("last_checkpoint", "b/epoch_2.pt")
    assert made(*TWO, pointers=(above,)).pointers == {1: [above]}
    assert made(*TWO, pointers=(pointer("latest"),)).pointers == {}
    across = pointer("a/latest", "b/epoch_2.pt")
    joined = made(*TWO, pointers=(across,))
    assert (joined.part_of, joined.pointers) == ((0, 0, 0, 0), {0: [across]})


@pytest.mark.parametrize(
    "names",
    [
        ("a/checkpoint-1/optimizer.pt", "a/checkpoint-2/optimizer.pt"),  # beside no model
        ("a/model-00001-of-00002.bin", "a/model-00002-of-00002.bin"),  # one checkpoint
        ("a/unet_fold1.pt", "a/unet_fold2.pt"),
        ("a/unet.pt", "a/resnet.pt"),
        ("a/epoch_1.pt", "b/epoch_2.pt"),
    ],
)
def test_what_names_do_not_tell_to_be_a_series_may_be_none(names: tuple[str, ...]) -> None:
    found = made(*names)
    assert (len(found.likely), found.has_lone) == (0, True)


def test_checkpoints_of_one_series_are_likely_a_run() -> None:
    shards = [f"a/step_{at}/model-0000{n}-of-00002.bin" for at in (1, 2) for n in (1, 2)]
    for names in (TWO[:2], ("a/checkpoint-1", "a/checkpoint-2"), shards):
        found = made(*names)
        assert ROOT / "a" in found.likely
        assert (len(found.likely), found.has_lone) == (1, False)
