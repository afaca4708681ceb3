"""The same record in another file of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.recovery.repair import twin
from ckptdoctor.recovery.repair.flip import Certainty
from ckptdoctor.recovery.repair.repair import repair_file
from tests.recovery.repair.damaged import Whole, flipped, whole


@pytest.fixture
def frozen() -> torch.Tensor:
    """More than the checksum alone decides of."""
    torch.manual_seed(0)
    return torch.randn(40_000) * 0.02


@pytest.fixture
def large(tmp_path: Path, frozen: torch.Tensor) -> Whole:
    return whole(tmp_path, {"frozen": frozen, "head": torch.ones(5)}, "epoch_2.pth")


def test_frozen_weights_of_another_epoch_prove_it(large: Whole, frozen: torch.Tensor) -> None:
    whole(large.path.parent, {"head": torch.zeros(5), "frozen": frozen}, "epoch_1.pth")
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    done = repair_file(path)
    assert done.certainty is Certainty.PROVED
    assert done.sha256 == large.sha256
    assert "data/1 of epoch_1.pth" in done.witnesses[-1]


def test_a_copy_or_a_hard_link_of_the_damaged_file_bears_no_witness(large: Whole) -> None:
    """As timm links its last checkpoint to the best: it has the same bit the other way round."""
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    path.with_name("last.pth").hardlink_to(path)
    path.with_name("copy.pth").write_bytes(path.read_bytes())
    assert repair_file(path).certainty is Certainty.LIKELY
    assert repair_file(path, accept_odds=True).sha256 == large.sha256


def test_a_twin_that_is_damaged_elsewhere_bears_no_witness(large: Whole) -> None:
    flipped(large, [(large.element("data/0", 9), 3)], "epoch_1.pth")
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    assert repair_file(path).certainty is Certainty.LIKELY


def test_a_twin_with_other_bytes_of_that_checksum_refuses(
    large: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of the same checksum cannot be found by trying, so the checksum is said to fit."""
    flipped(large, [(large.element("data/0", 9), 3)], "epoch_1.pth")
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    monkeypatch.setattr(twin, "_is_whole", lambda *_: True)
    done = repair_file(path, accept_odds=True)
    assert not done.written
    assert any("still differs from" in line for line in done.refused)


def test_other_weights_are_no_twin(large: Whole) -> None:
    whole(large.path.parent, {"frozen": torch.randn(40_000), "head": torch.ones(5)}, "epoch_1.pth")
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    assert repair_file(path).certainty is Certainty.LIKELY


def test_what_was_only_likely_does_not_prove_itself(large: Whole) -> None:
    path = flipped(large, [(large.element("data/0", 12_345), 4)], "epoch_2.pth")
    likely = repair_file(path, accept_odds=True)
    assert likely.written
    assert repair_file(path, path.with_name("again.pth")).certainty is Certainty.LIKELY
