"""What the names of checkpoints say: whose they are, which run of it, and what counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.families import name_of, run_folder
from tests.each import each


def whose(name: str) -> tuple[object, object]:
    found = name_of(Path("runs/a", name))
    return found.series, found.labels


@each(
    "names",
    [
        ("tern_epoch_3.pth", "tern_best.pth", "tern.pth", "tern_last.pt", "tern-final.ckpt"),
        ("tern_epoch_3.pth", "tern_epoch_30.pth", "tern_best_iou_0.81.pth", "best_tern.pth"),
        ("epoch_1.pth", "best.pth", "last.ckpt", "checkpoint.pth", "model_best.pth.tar"),
        ("epoch=3-step=120.ckpt", "epoch=3-step=120-v1.ckpt", "last.ckpt", "last-v2.ckpt"),
        ("epoch=3-val_loss=0.21.ckpt", "epoch=14-val_loss=0.19.ckpt", "latest.ckpt"),
        ("model_0004999.pth", "model_final.pth", "checkpoint_9.pth"),
        ("G_1.pth", "G_200.pth", "G_best.pth"),
        ("fold2_epoch_1.pth", "fold2_best.pth", "best_fold2.pth"),
        ("DeepTern_e3.pth", "DeepTern_e10.pth"),
        ("iter_1000.pth", "iter_20000.pth", "latest.pth"),
        ("ep003-loss0.118.pth", "ep004-loss0.094.pth"),
        ("checkpoint-400", "checkpoint-500-good", "checkpoint-600-keep"),
    ],
)
def test_names_of_one_family(names: tuple[str, ...]) -> None:
    assert len({whose(name) for name in names}) == 1


@each(
    "names",
    [
        ("segformer_epoch_1.pth", "tern_epoch_1.pth", "epoch_1.pth"),
        ("G_1.pth", "D_1.pth"),
        ("netG_epoch_5.pth", "netD_epoch_5.pth"),
        ("net_G_A_5.pth", "net_G_B_5.pth", "net_D_A_5.pth"),
        ("fold1_epoch_1.pth", "fold2_epoch_1.pth", "fold10_epoch_1.pth"),
        ("tern_seed_1_ep2.pth", "tern_seed_2_ep2.pth"),
        ("stage1_5.pth", "stage2_5.pth"),
        ("epoch_3.pth", "resnet18-f37072fd.pth"),
        ("epoch_3.pth", "sam_vit_b_01ec64.pth"),
    ],
)
def test_names_of_several(names: tuple[str, ...]) -> None:
    assert len({whose(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("G_100.pth", "G"),
        ("segformer_epoch_8.pth", "segformer_epoch"),
        ("tern-epoch=3.ckpt", "tern-epoch"),
        ("tern_000012.pth", "tern"),
        ("tern.5.pt", "tern"),
    ],
)
def test_a_run_is_called_after_the_name_without_number_and_separator(name: str, kind: str) -> None:
    assert name_of(Path("runs", name)).kind == kind


@pytest.mark.parametrize("name", ["last.pth", "tern_latest.pt", "model_final.pth", "current.ckpt"])
def test_the_last_calls_itself_so(name: str) -> None:
    assert name_of(Path(name)).is_last
    assert not name_of(Path("tern_best.pth")).is_last


@each(
    ("path", "folder"),
    [
        ("out/checkpoint-500/model.safetensors", "out"),
        ("out/step_500/model.pt", "out"),
        ("out/global_step500/mp_rank_00_model_states.pt", "out"),
        ("out/epoch_3/model.pt", "out"),
        ("out/checkpoints/model_3.pt", "out/checkpoints"),
        ("out/fold_3/epoch_1.pt", "out/fold_3"),
        ("out/stage2/epoch_1.pt", "out/stage2"),
        ("out/version_2/last.ckpt", "out/version_2"),
        ("out/version_2/checkpoints/epoch=3-step=30.ckpt", "out/version_2"),
        ("out/version_2/checkpoints/step_30/model.pt", "out/version_2"),
        ("out/versions/checkpoints/epoch=3.ckpt", "out/versions/checkpoints"),
        ("out/conversion_2/checkpoints/epoch=3.ckpt", "out/conversion_2/checkpoints"),
        ("checkpoints/epoch=3.ckpt", "checkpoints"),
        ("epoch_1.pt", "."),
    ],
)
def test_a_checkpoint_with_a_folder_of_its_own(path: str, folder: str) -> None:
    assert run_folder(Path(path)) == Path(folder)


@each(("inside", "path"), [("", "checkpoints/a"), ("checkpoints", "a"), ("x", "../checkpoints/a")])
def test_the_folder_of_a_version_is_found_from_inside_too(
    inside: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "version_1"
    for name in ("checkpoints", "x"):
        (version / name).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(version / inside)
    assert run_folder(Path(path)).resolve() == version.resolve()


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_3.pth", "scaler.pt"]
)
def test_what_frameworks_save_beside_a_model(name: str) -> None:
    assert name_of(Path("out/checkpoint-5", name)).is_side
    assert not name_of(Path("out/checkpoint-5/model.safetensors")).is_side


@given(st.text(min_size=1, max_size=40).filter(lambda t: "/" not in t and "\0" not in t))
def test_any_name_can_be_taken_apart(name: str) -> None:
    found = name_of(Path("runs") / name)
    assert found.kind or name in (".", "..")


words = st.sampled_from(["tern", "UNet", "seg_former", "net-G", "egret"])


@given(words, st.integers(1, 9999), st.integers(1, 9999), st.sampled_from(["_epoch_", "-", "_"]))
def test_the_number_says_nothing_of_whose_it_is(word: str, a: int, b: int, between: str) -> None:
    assert whose(f"{word}{between}{a}.pth") == whose(f"{word}{between}{b}.pth")


def test_a_run_whose_saves_are_folders_is_called_as_its_files_are_where_these_say_whose() -> None:
    assert [name_of(Path("run/epoch_3", name)).kind for name in ("G.pth", "net_D.pth")] == [
        "G",
        "net_D",
    ]
    assert name_of(Path("run/epoch_3/model.pth")).kind == "epoch"
