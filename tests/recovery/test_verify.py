"""What was written is read back: whatever differs from the source, and was to stay, is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.open_file import opened
from ckptdoctor.recovery.draft import Draft
from ckptdoctor.recovery.verify import compare_draft, verify_copy
from tests.builders import save
from tests.recovery.test_draft import draft_of


@pytest.fixture
def draft(tmp_path: Path) -> Iterator[Draft]:
    state = {"model": {"w": torch.rand(6), "b": torch.rand(3)}, "epoch": 1, "best": math.nan}
    with draft_of(save(tmp_path / "a.pth", state)) as made:
        yield made


def compared(draft: Draft, **changed: Any) -> None:
    """Hold the source against itself, of which something reads otherwise."""
    compare_draft(draft, replace(draft.checkpoint, **changed), draft.file.fd)


def otherwise(one: Checkpoint, change: Callable[[TensorRecord], TensorRecord]) -> tuple[Any, ...]:
    return tuple(change(t) if t.fqn.endswith("w") else t for t in one.tensors)


def test_what_reads_as_it_was_is_the_same_and_so_is_nan(draft: Draft) -> None:
    compared(draft, scalars=dict(draft.checkpoint.scalars) | {"best": float("nan")})


@pytest.mark.parametrize(
    ("name", "value"), [("epoch", True), ("epoch", 2), ("best", 0.5), ("epoch", None)]
)
def test_a_number_that_reads_otherwise_is_told(draft: Draft, name: str, value: Any) -> None:
    with pytest.raises(RestoreError, match=f"verification failed: {name} is not what it was"):
        compared(draft, scalars=dict(draft.checkpoint.scalars) | {name: value})


def test_a_tensor_that_is_gone_is_told(draft: Draft) -> None:
    left = tuple(one for one in draft.checkpoint.tensors if not one.fqn.endswith("w"))
    with pytest.raises(RestoreError, match=r"model\.w is missing"):
        compared(draft, tensors=left)


def longer(tensor: TensorRecord) -> TensorRecord:
    assert tensor.storage is not None
    return replace(tensor, storage=replace(tensor.storage, nbytes=tensor.storage.nbytes + 4))


def elsewhere(tensor: TensorRecord) -> TensorRecord:
    assert tensor.storage is not None
    return replace(tensor, storage=replace(tensor.storage, offset=tensor.storage.offset + 4))


@pytest.mark.parametrize("change", [longer, elsewhere])
def test_a_storage_that_holds_more_or_others_is_told(
    draft: Draft, change: Callable[[TensorRecord], TensorRecord]
) -> None:
    with pytest.raises(RestoreError, match=r"the bytes of model\.w differ"):
        compared(draft, tensors=otherwise(draft.checkpoint, change))


@pytest.mark.parametrize(("spoil", "same"), [("", True), ("more", False), ("other", False)])
def test_a_copy_is_every_byte_and_none_more(tmp_path: Path, spoil: str, same: bool) -> None:
    source = save(tmp_path / "a.pth", {"w": torch.rand(6)})
    (report,) = examine([source]).checkpoints
    raw = source.read_bytes()
    copied = {"": raw, "more": raw + b"\0", "other": raw[:-1] + b"\1"}[spoil]
    (tmp_path / "b.pth").write_bytes(copied)
    with opened(source) as file, (tmp_path / "b.pth").open("rb") as out:
        if same:
            verify_copy(file, out, report)
            return
        with pytest.raises(RestoreError, match="the copy differs"):
            verify_copy(file, out, report)
