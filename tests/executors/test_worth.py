"""Copies read many small files; few, or large ones, are left to threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.executors import worth
from tests.builders import save


@pytest.fixture(autouse=True)
def can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worth, "can_copy", lambda: True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("small") / "a.pth", {"w": torch.ones(4)})


@pytest.fixture(scope="module")
def of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = {f"{at}.weight": torch.ones(2) for at in range(2000)}
    return save(tmp_path_factory.mktemp("many") / "a.pth", state)


def test_many_small_files_are_shared(small: Path) -> None:
    assert worth.copies_for([small] * 600, 2) == 1
    assert worth.copies_for([small] * 5000, 4) == 3


def test_few_are_not(small: Path) -> None:
    assert worth.copies_for([small] * 20, 8) == 0
    assert worth.copies_for([], 8) == 0


def test_few_with_thousands_of_tensors_are(of_many: Path, tmp_path: Path) -> None:
    assert worth.copies_for([of_many] * 20, 2) == 1
    same = tmp_path / "a.safetensors"
    save_file({f"{at}.weight": torch.ones(2) for at in range(2000)}, same)
    assert worth.copies_for([same] * 20, 2) == 1


def test_large_files_are_not(small: Path, tmp_path: Path) -> None:
    """To read them takes longer than to speak of them, and that threads do side by side."""
    large = tmp_path / "large.pth"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    assert worth.copies_for([small] * 600 + [large] * 20, 2) == 0


def test_one_core_is_not_shared(small: Path) -> None:
    assert worth.copies_for([small] * 600, 1) == 0


def test_there_are_never_very_many(small: Path) -> None:
    assert worth.copies_for([small] * 100_000, 256) <= 8


def test_a_process_that_must_not_be_copied_is_not(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worth, "can_copy", lambda: False)
    assert worth.copies_for([small] * 600, 2) == 0


def test_a_file_that_is_gone_or_no_checkpoint_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>")
    assert worth.copies_for([tmp_path / "gone.pth"] * 600, 2) == 1
    assert worth.copies_for([tmp_path / "page.pth"] * 600, 2) == 1
