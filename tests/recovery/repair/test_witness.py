"""What else knows the bytes of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.recovery.repair.flip import Certainty
from ckptdoctor.recovery.repair.repair import repair_file
from ckptdoctor.recovery.repair.witness import digests_of, given_digest
from ckptdoctor.recovery.restore import restore
from tests.recovery.repair.damaged import Whole, flipped, whole


@pytest.fixture
def large(tmp_path: Path) -> Whole:
    """More than the checksum alone decides of."""
    torch.manual_seed(0)
    return whole(tmp_path, {"model": {"weight": torch.randn(40_000) * 0.02}}, "large.pth")


def mantissa(large: Whole, name: str = "damaged.pth") -> Path:
    path = flipped(large, [(large.element("data/0", 12_345), 4)], name)
    large.path.unlink(missing_ok=True)  # it would bear witness itself
    return path


def test_without_any_it_is_only_likely(large: Whole) -> None:
    path = mantissa(large)
    assert list(digests_of(path)) == []
    assert repair_file(path).certainty is Certainty.LIKELY


def test_our_own_manifest_is_one(large: Whole) -> None:
    clean = large.path.with_name("clean.pth")
    restore(large.path, clean)
    path = mantissa(large, "clean.pth")
    done = repair_file(path)
    assert done.certainty is Certainty.PROVED
    assert done.sha256 == large.sha256
    assert "the manifest beside it" in done.witnesses[-1]


def test_a_link_into_the_cache_of_hugging_face_is_one(large: Whole) -> None:
    blobs = large.path.parent / "blobs"
    blobs.mkdir()
    blob = mantissa(large).rename(blobs / large.sha256)
    link = large.path.parent / "pytorch_model.bin"
    link.symlink_to(blob)
    assert repair_file(link).sha256 == large.sha256


def test_the_note_of_a_download_is_one(large: Whole) -> None:
    path = mantissa(large)
    notes = path.parent / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / f"{path.name}.metadata").write_text(f"{'1' * 40}\n{large.sha256}\n1700000000.0\n")
    assert repair_file(path).sha256 == large.sha256


def test_a_checksum_file_is_one(large: Whole) -> None:
    path = mantissa(large)
    path.with_name(f"{path.name}.sha256").write_text(f"{large.sha256}  {path.name}\n")
    assert repair_file(path).sha256 == large.sha256


def test_the_name_that_torch_hub_gives_is_one(large: Whole) -> None:
    path = mantissa(large, f"resnet-{large.sha256[:8]}.pth")
    done = repair_file(path)
    assert done.certainty is Certainty.PROVED
    assert done.sha256 == large.sha256


def test_digits_in_a_name_that_are_no_hash_refuse_nothing(large: Whole) -> None:
    path = mantissa(large, "model-00012345.pth")
    assert repair_file(path, accept_odds=True).sha256 == large.sha256


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_given_is_none(text: str) -> None:
    assert given_digest(text) is None


def test_the_prefix_of_a_registry_is_taken_off(large: Whole) -> None:
    found = given_digest(f"sha256:{large.sha256}")
    assert found is not None
    assert found.fits(large.sha256)
