"""What is known of a checkpoint on its way to become another one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.formats.open_file import opened
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.recovery.draft import Draft, number_of, storage_key, text_keys
from tests.builders import save

NAN, INF = math.nan, math.inf


@contextmanager
def draft_of(path: Path) -> Iterator[Draft]:
    (report,) = examine([path], Examination(keep_details=True)).checkpoints
    assert report.checkpoint is not None
    with opened(path) as file:
        yield Draft(file, report.checkpoint, report.stats, read_object(file))


def state() -> dict[str, object]:
    return {
        "model_state_dict": {
            "sound": torch.ones(3),
            "nan": torch.tensor([1.0, NAN]),
            "inf": torch.tensor([INF, 1.0]),
            "none": torch.empty(0),
        },
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "epoch": 3,
    }


def bad(draft: Draft) -> set[str]:
    return {t.fqn.rpartition(".")[2] for t in draft.checkpoint.tensors if draft.is_bad(t)}


def named(draft: Draft, name: str) -> TensorRecord:
    return next(t for t in draft.checkpoint.tensors if t.fqn.endswith(name))


def test_a_tensor_is_bad_where_it_is_lost_damaged_not_finite_or_was_not_looked_at(
    tmp_path: Path,
) -> None:
    with draft_of(save(tmp_path / "a.pth", state())) as draft:
        assert bad(draft) == {"nan", "inf"}
        inf, sound, none = (named(draft, name) for name in (".inf", ".sound", ".none"))
        assert bad(replace(draft, meant=frozenset({inf.fqn}))) == {"nan"}
        assert bad(replace(draft, damaged=frozenset({sound.fqn}))) == {"nan", "inf", "sound"}
        assert draft.is_bad(replace(sound, lost=True))
        unseen = {fqn: one for fqn, one in draft.stats.items() if fqn != sound.fqn}
        assert replace(draft, stats=unseen).is_bad(sound)
        everything = frozenset(t.fqn for t in draft.checkpoint.tensors)
        assert not replace(draft, stats={}, damaged=everything).is_bad(replace(none, lost=True))


def test_what_has_groups_and_a_state_is_an_optimizer(tmp_path: Path) -> None:
    value = state() | {"groups": {"param_groups": []}, "states": {"state": {}}, "list": ["state"]}
    with draft_of(save(tmp_path / "a.pth", value)) as draft:
        assert [place.path for place in draft.optimizers()] == [("optimizer_state_dict",)]
        (place,) = draft.optimizers()
        assert text_keys(place.node) == {"state", "param_groups"}
        assert text_keys([1]) == text_keys(3) == set()
        found = draft.place("model_state_dict.sound")
        assert found is not None
        assert draft.place("model_state_dict.absent") is None


@pytest.mark.parametrize(
    ("node", "number"), [(3, 3.0), (0.5, 0.5), (True, None), ("3", None), (None, None)]
)
def test_a_bool_is_no_number(node: object, number: float | None) -> None:
    assert number_of(node) == number


def test_the_key_of_a_storage_is_that_of_the_tree(tmp_path: Path) -> None:
    with draft_of(save(tmp_path / "a.pth", state())) as draft:
        keys = {storage_key(tensor) for tensor in draft.checkpoint.tensors}
        assert keys == set(draft.saved.storages)
        assert storage_key(replace(named(draft, ".sound"), storage=None)) == ""
