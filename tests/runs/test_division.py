"""Files of which names tell that they cannot be of one run are judged apart."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.layouts.files import Pointer
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.runs.division import Division, divided


def made(*names: str, pointers: tuple[Pointer, ...] = (), **restored: str) -> Division:
    """The parts of files; ``b="a/1.pt"`` says that those below b were restored from there."""

    def source(path: Path) -> RestoredFrom | None:
        found = restored.get(path.parent.name)
        if found is None:
            return None
        whole = Path("/r") / found
        return RestoredFrom(source=whole, epoch=None, scale=1.0, set_lr=None, actions=())

    return divided([Path("/r") / name for name in names], source, pointers)


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
