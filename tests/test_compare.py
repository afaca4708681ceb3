"""Names, values and findings of a comparison."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.checkpoint import Role
from ckptdoctor.compare import Comparison, compare
from ckptdoctor.difference import Difference
from ckptdoctor.errors import CheckpointError, CorruptCheckpointError
from tests.builders import save, training_checkpoint


def diff(folder: Path, a: dict[str, Any], b: dict[str, Any], **how: Any) -> Difference:
    first, second = save(folder / "a.pth", a), save(folder / "b.pth", b)
    return compare(first, second, Comparison(**how))


def model(**tensors: torch.Tensor) -> dict[str, Any]:
    return {"model": tensors}


ONE = torch.ones(2, 3)


def test_the_same_checkpoint_is_identical(tmp_path: Path) -> None:
    state = training_checkpoint()
    found = diff(tmp_path, state, state)
    assert found.identical
    assert found.total().relative == 0.0
    assert not any((found.notes, found.changes, found.findings))


def test_added_removed_reshaped_and_retyped(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        model(same=ONE, gone=ONE, shape=ONE, kind=ONE),
        model(same=ONE, new=ONE, shape=torch.ones(3, 2), kind=ONE.half()),
    )
    assert found.removed == ("model.gone",)
    assert found.added == ("model.new",)
    assert [(r.fqn, r.before, r.after) for r in found.reshaped] == [("model.shape", (2, 3), (3, 2))]
    assert [(t.fqn, t.other_dtype) for t in found.tensors] == [
        ("model.same", "float32"),
        ("model.kind", "float16"),
    ]
    assert not found.identical


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_wrappers_are_left_aside_and_said(prefix: str, tmp_path: Path) -> None:
    a, b = {"net.w": ONE, "net.b": ONE}, {f"{prefix}net.w": ONE, f"{prefix}net.b": ONE}
    found = diff(tmp_path, {"model": a}, {"model": b})
    assert len(found.tensors) == 2
    assert "without the wrappers" in found.notes[0]
    strict = diff(tmp_path, {"model": a}, {"model": b}, exact_names=True)
    assert strict.nothing_in_common
    assert len(strict.added) == len(strict.removed) == 2


def test_a_prefix_of_the_users(tmp_path: Path) -> None:
    a, b = model(w=ONE), model(**{"student.w": ONE})
    assert diff(tmp_path, a, b).nothing_in_common
    assert diff(tmp_path, a, b, ignore_prefixes=("student.",)).identical


def test_a_training_checkpoint_against_its_bare_weights(tmp_path: Path) -> None:
    state = training_checkpoint()
    first = save(tmp_path / "a.pth", state)
    weights = {name: tensor.clone() for name, tensor in state["model_state_dict"].items()}
    save_file(weights, tmp_path / "b.safetensors")
    found = compare(first, tmp_path / "b.safetensors")
    assert {t.other for t in found.tensors} == set(weights)
    assert found.total().changed == 0
    assert "key that holds the weights" in found.notes[0]


def test_names_that_would_be_ambiguous_are_not_matched(tmp_path: Path) -> None:
    a = model(w=ONE)
    b = model(**{"module.w": ONE, "_orig_mod.w": ONE})
    assert diff(tmp_path, a, b).nothing_in_common


def test_layers_and_roles_add_up(tmp_path: Path) -> None:
    a: dict[str, Any] = model(**{"c.weight": torch.tensor([3.0, 4.0]), "c.bias": torch.zeros(1)})
    a |= {
        "optimizer": {"state": {0: {"exp_avg": ONE, "step": torch.tensor(5.0)}}, "param_groups": []}
    }
    b: dict[str, Any] = model(**{"c.weight": torch.tensor([3.0, 4.5]), "c.bias": torch.ones(1)})
    b |= {
        "optimizer": {"state": {0: {"exp_avg": ONE, "step": torch.tensor(9.0)}}, "param_groups": []}
    }
    found = diff(tmp_path, a, b)
    (layer,) = found.layers().items()
    assert layer[0] == "model.c"
    assert layer[1].relative == pytest.approx(math.sqrt(1.25) / 5)
    assert found.total(Role.OPTIMIZER).changed == 0  # the step counts, it does not move
    zero = diff(tmp_path, model(w=torch.zeros(2)), model(w=torch.ones(2)))
    assert zero.total().relative == math.inf


def test_values_in_the_order_in_which_they_matter(tmp_path: Path) -> None:
    a, b = training_checkpoint(), training_checkpoint()
    b |= {"epoch": 90, "best_iou": 0.7, "note": "x"}
    b["optimizer_state_dict"]["param_groups"][0]["lr"] = 5e-4
    found = diff(tmp_path, a, b)
    assert [c.key for c in found.changes] == [
        "epoch",
        "best_iou",
        "optimizer_state_dict.param_groups.0.lr",
        "note",
    ]
    assert (found.changes[0].before, found.changes[0].after) == (88, 90)
    same = {"model": {"w": ONE}, "x": math.nan}
    assert diff(tmp_path, same, same).changes == ()


def test_weights_that_are_finite_no_more_are_findings(tmp_path: Path) -> None:
    bad = ONE.clone()
    bad[0, 0], bad[0, 1] = math.nan, math.inf
    inf = ONE.clone()
    inf[0, 0] = math.inf
    found = diff(tmp_path, model(a=ONE, b=ONE, c=bad), model(a=bad, b=inf, c=bad))
    assert [(f.code, f.subject) for f in found.findings] == [
        ("CD201", "model.a"),
        ("CD202", "model.b"),
    ]
    assert diff(tmp_path, model(a=bad), model(a=ONE)).findings == ()


def test_lost_tensors_are_named_and_not_compared(tmp_path: Path) -> None:
    first = save(tmp_path / "a.pth", model(a=torch.ones(5000), b=torch.ones(5000)))
    cut = tmp_path / "b.pth"
    cut.write_bytes(first.read_bytes()[:25_000])
    found = compare(first, cut)
    assert [t.fqn for t in found.tensors] == ["model.a"]
    assert found.lost == ("model.b",)


def test_a_shape_that_no_file_could_hold_is_not_gathered(tmp_path: Path) -> None:
    huge = torch.ones(1).expand(2**40)
    found = diff(tmp_path, model(a=huge, b=ONE), model(a=huge, b=ONE))
    assert found.lost == ("model.a",)


def test_a_file_that_shrinks_meanwhile_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save(tmp_path / "a.pth", model(a=torch.ones(5000)))
    second = save(tmp_path / "b.pth", model(a=torch.ones(5000)))

    def cut(_: Path, nbytes: int) -> None:
        assert nbytes == 40_000
        second.write_bytes(second.read_bytes()[:3000])

    with pytest.raises(CorruptCheckpointError, match=r"was cut while model\.a was read"):
        compare(first, second, Comparison(expect=cut))


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.pth"
    page.write_text("<html>")
    with pytest.raises(CheckpointError):
        compare(page, page)
    with pytest.raises(FileNotFoundError):
        compare(tmp_path / "gone", page)


def test_globs_choose(tmp_path: Path) -> None:
    found = diff(tmp_path, model(a=ONE, b=ONE), model(a=ONE, b=ONE), globs=("*.a",))
    assert [t.fqn for t in found.tensors] == ["model.a"]
