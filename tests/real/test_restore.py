"""Published checkpoints, restored with another learning rate: all else is what it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from tests.builders import load_unsafe
from tests.real.conftest import Fetch

pytestmark = pytest.mark.real

SEVENN = "sevenn==0.13.0"
FOLDER = "sevenn/pretrained_potentials"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            yield from leaves(item, f"{path}.{at}")
    else:
        yield path, value


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.equal(other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other) or (one != one and other != other)


@pytest.mark.parametrize(
    "member",
    [
        "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
        "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
    ],
)
def test_numpy_objects_survive_an_edit(fetch: Fetch, member: str, tmp_path: Path) -> None:
    source = fetch(SEVENN, f"{FOLDER}/{member}")
    before = source.read_bytes()
    target = tmp_path / "best_model_clean.pth"
    restore(source, target, Edits(scale_lr=0.5))
    assert source.read_bytes() == before
    old, new = (dict(leaves(load_unsafe(path))) for path in (source, target))
    assert list(old) == list(new)
    changed = {name for name in old if not same(old[name], new[name])}
    assert changed
    for name in changed:
        assert name.rpartition(".")[2] in ("lr", "initial_lr") or "_lr" in name
        assert new[name] == old[name] * 0.5
