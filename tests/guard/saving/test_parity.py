"""What ``safe_save(parity=)`` and the keeper leave beside a checkpoint."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
import torch

from ckptdoctor.errors import UsageError
from ckptdoctor.guard import CheckpointKeeper, safe_save
from ckptdoctor.recovery.parity.form import Parity, parity_path, read_parity
from ckptdoctor.recovery.publish import publish


def state(fill: float = 0.5) -> dict[str, object]:
    return {"model_state_dict": {"w": torch.full((300, 30), fill)}, "epoch": 1}


def test_it_lies_beside_and_is_of_this_save(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    report = safe_save(state(), path, parity=0.01)
    assert report.parity == parity_path(path) == tmp_path / "model.pth.parity"
    found = read_parity(report.parity)
    assert found is not None
    assert (found.digest, found.description.nbytes) == (report.digest, report.nbytes)


def assert_is_of(parity: Parity | None, content: bytes) -> None:
    """A parity is what one pass over the finished bytes gives."""
    assert parity is not None
    what = parity.description
    blocks = [
        content[at : at + what.block_nbytes] for at in range(0, len(content), what.block_nbytes)
    ]
    columns = [0] * what.columns
    for number, block in enumerate(blocks):
        columns[number % what.columns] ^= int.from_bytes(block, "little")
    assert what.nbytes == len(content)
    assert list(parity.checksums) == [zlib.crc32(block) for block in blocks]
    assert parity.column_bytes == b"".join(
        column.to_bytes(what.block_nbytes, "little") for column in columns
    )


def storages_of_many_sizes() -> dict[str, object]:
    torch.manual_seed(0)
    state: dict[str, object] = {f"n{size}": torch.randn(size).half() for size in range(1, 140, 3)}
    return {**state, "large": torch.randn(700_001).bfloat16(), "none": torch.empty(0)}


@pytest.mark.parametrize("background", [False, True])
def test_it_is_what_one_pass_over_the_finished_file_gives(
    tmp_path: Path, *, background: bool
) -> None:
    """Records of all sizes, the largest more than is summed up at once, and a snapshot of them."""
    with CheckpointKeeper(tmp_path, every=1, background=background, parity=0.01) as keeper:
        keeper.save(storages_of_many_sizes(), epoch=0, metric=0.5)
    path = tmp_path / "checkpoint_epoch_0.pth"
    assert_is_of(read_parity(parity_path(path)), path.read_bytes())


def test_without_it_none_is_written_and_one_of_the_save_before_goes(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    safe_save(state(), path, parity=0.01)
    assert safe_save(state(0.25), path).parity is None
    assert [p.name for p in tmp_path.iterdir()] == ["model.pth"]


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_what_is_no_share_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="a share of the file"):
        safe_save(state(), tmp_path / "model.pth", parity=share)


def test_half_of_the_file_is_the_most(tmp_path: Path) -> None:
    assert safe_save(state(), tmp_path / "model.pth", parity=0.5).parity is not None
    with pytest.raises(UsageError):
        safe_save(state(), tmp_path / "model.pth", parity=0.51)


def test_somebody_elses_file_in_its_place_stays(tmp_path: Path) -> None:
    stranger = tmp_path / "model.pth.parity"
    stranger.write_text("notes")
    with pytest.raises(FileExistsError, match="in the place of the parity"):
        safe_save(state(), tmp_path / "model.pth", parity=0.01)
    assert stranger.read_text() == "notes"
    assert not (tmp_path / "model.pth").exists()
    safe_save(state(), tmp_path / "model.pth")
    assert stranger.read_text() == "notes"


def test_killed_between_the_two_names_the_old_parity_is_of_another_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pth"
    before = safe_save(state(), path, parity=0.01)

    def killed(*args: object, **kwargs: object) -> None:
        publish(*args, **kwargs)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr("ckptdoctor.guard.saving.saver.publish", killed)
    with pytest.raises(KeyboardInterrupt):
        safe_save(state(0.25), path, parity=0.01)
    assert torch.load(path, weights_only=True)["model_state_dict"]["w"][0, 0] == 0.25
    found = read_parity(parity_path(path))
    assert found is not None
    assert found.digest == before.digest
    assert sorted(os.listdir(tmp_path)) == ["model.pth", "model.pth.parity"]


def test_a_save_that_is_refused_leaves_the_old_parity(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    before = safe_save(state(), path, parity=0.01)
    with pytest.raises(FloatingPointError):
        safe_save(state(float("nan")), path, parity=0.01)
    found = read_parity(parity_path(path))
    assert found is not None
    assert found.digest == before.digest


@pytest.mark.parametrize("background", [False, True])
def test_the_keeper_keeps_one_a_file_and_deletes_it_with_its_file(
    tmp_path: Path, *, background: bool
) -> None:
    with CheckpointKeeper(
        tmp_path, every=1, keep_last=2, background=background, parity=0.02
    ) as keeper:
        for epoch in range(4):
            keeper.save(state(epoch / 10), epoch=epoch, metric=epoch / 10)
    kept = {p.name for p in tmp_path.iterdir()}
    models = {"best_model.pth", "checkpoint_epoch_2.pth", "checkpoint_epoch_3.pth"}
    assert kept == {"keeper.json", *models, *(f"{name}.parity" for name in models)}


def test_scan_takes_no_parity_for_a_checkpoint(tmp_path: Path) -> None:
    import ckptdoctor

    safe_save(state(), tmp_path / "model.pth", parity=0.01)
    (row,) = ckptdoctor.scan(tmp_path).checkpoints
    assert row.path.name == "model.pth"
