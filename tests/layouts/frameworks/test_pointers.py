from __future__ import annotations

from pathlib import Path

from ckptdoctor.layouts.frameworks.pointers import LAYOUT
from tests.each import each
from tests.layouts.claims import claims, pointers, touch


def lead(folder: Path, name: str, text: str) -> tuple[str, Path | None]:
    """What the one pointer of a folder says, and where it leads."""
    (folder / name).write_text(text)
    [found] = pointers(LAYOUT, folder)
    assert found.path == folder / name
    return found.target, found.leads_to


@each(
    ("name", "text", "target"),
    [
        ("latest", "global_step10", "global_step10/mp_rank_00_model_states.pt"),
        ("latest", "global_step10\n", "global_step10/mp_rank_00_model_states.pt"),
        ("latest_universal", "global_step10_universal", "global_step10_universal/zero/x/fp32.pt"),
        ("latest.txt", "epoch_3.pth", "epoch_3.pth"),
        ("latest_checkpointed_iteration.txt", "5000\n", "iter_0005000/mp_rank_00/x.pt"),
        ("latest_checkpointed_iteration.txt", "release", "release/mp_rank_00/x.pt"),
        ("latest_checkpointed_iteration.txt", "50", "global_step_50/actor/x.pt"),
        ("last_checkpoint", "model_0004999.pth", "model_0004999.pth"),
        ("last_checkpoint", "work_dirs/x/epoch_3.pth", "epoch_3.pth"),
        ("last_checkpoint", "/gone/work_dirs/x/epoch_3.pth", "epoch_3.pth"),
        ("last_checkpoint", r"C:\runs\x\epoch_3.pth", "epoch_3.pth"),
        ("last_checkpoint", "/gone/checkpoints/step_3/", "step_3/model.pt"),
        ("checkpoint", 'model_checkpoint_path: "model-300"\n', "model-300.index"),
        ("latest", "epoch_3", "epoch_3.pt"),
    ],
)
def test_a_pointer_leads_to_what_bears_the_name_beside_it(
    tmp_path: Path, name: str, text: str, target: str
) -> None:
    touch(tmp_path, [target])
    assert lead(tmp_path, name, text)[1] == tmp_path / Path(target).parts[0]


@each(
    ("name", "text", "target"),
    [
        ("latest", "global_step300", "global_step300"),
        ("latest", "", ""),
        ("last_checkpoint", "/gone/epoch_9.pth", "/gone/epoch_9.pth"),
        ("latest_checkpointed_iteration.txt", "600", "600"),
        ("latest_checkpointed_iteration.txt", "release", "release"),
        ("checkpoint", 'model_checkpoint_path: "model-9"', "model-9"),
        ("latest.txt", "epoch_9.pth", "epoch_9.pth"),
        ("latest", "x" * 3000, "x" * 3000),
    ],
)
def test_a_pointer_that_leads_nowhere(tmp_path: Path, name: str, text: str, target: str) -> None:
    touch(tmp_path, ["epoch_3.pth", "iter_0000060/x.pt", "global_step30/x.pt", "model-300.index"])
    assert lead(tmp_path, name, text) == (target, None)


def test_an_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "global_step3").mkdir()
    assert lead(tmp_path, "latest", "global_step3") == ("global_step3", None)


def test_a_checkpoint_of_another_folder(tmp_path: Path) -> None:
    touch(tmp_path, ["out/epoch_3.pth", "run/x.log"])
    whole = tmp_path / "out/epoch_3.pth"
    assert lead(tmp_path / "run", "last_checkpoint", str(whole))[1] == whole


def test_what_lies_beside_comes_before_the_place_of_old(tmp_path: Path) -> None:
    touch(tmp_path, ["old/epoch_3.pth", "copy/epoch_3.pth"])
    moved = lead(tmp_path / "copy", "last_checkpoint", str(tmp_path / "old/epoch_3.pth"))[1]
    assert moved == tmp_path / "copy/epoch_3.pth"


@each(
    ("name", "raw"),
    [
        ("latest", b"PK\x03\x04\0\0"),
        ("latest", b"two\nlines"),
        ("latest", b"x" * 5000),
        ("latest.txt", b"epoch 3, loss 0.5"),
        ("latest.txt", b""),
        ("checkpoint", b"the best so far"),
        ("last_checkpoint", b"s3://bucket/epoch_3.pth"),
    ],
)
def test_what_points_nowhere_because_it_is_no_pointer(
    tmp_path: Path, name: str, raw: bytes
) -> None:
    (tmp_path / name).write_bytes(raw)
    assert pointers(LAYOUT, tmp_path) == []


def test_a_link_to_nothing(tmp_path: Path) -> None:
    touch(tmp_path, ["epoch=3.ckpt"])
    (tmp_path / "last.ckpt").symlink_to("epoch=4.ckpt")
    (tmp_path / "best.ckpt").symlink_to("epoch=3.ckpt")
    (tmp_path / "data").symlink_to("/gone/data")
    [found] = pointers(LAYOUT, tmp_path)
    assert (found.path.name, found.target, found.leads_to) == ("last.ckpt", "epoch=4.ckpt", None)


def test_a_pointer_is_no_checkpoint(tmp_path: Path) -> None:
    assert claims(LAYOUT, touch(tmp_path, ["latest", "epoch_3.pth"])) == []
