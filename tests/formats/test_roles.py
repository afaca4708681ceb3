"""Which part of the training state a key announces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.checkpoint import Role
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.roles import Unsettled, role_of_dict, role_of_key, settle_roles
from tests.builders import save
from tests.each import each

KEYS = {
    Role.MODEL: "model model_state_dict state_dict MODEL net network_weights encoder_state_dict "
    "model_state module generator_model weights",
    Role.EMA: "ema model_ema state_dict_ema ema_state_dict swa averaged_model shadow_params",
    Role.OPTIMIZER: "optimizer optimizer_state_dict optimizer_states last_optimizer_state optim "
    "optimizer_ema model_optimizer",
    Role.SCHEDULER: "scheduler lr_scheduler lr_schedulers scheduler_state_dict sched",
    Role.SCALER: "scaler grad_scaler_state amp loss_scaler",
    Role.OTHER: "history metrics callbacks best_iou epoch global_step rng_state meta config loss",
    None: "backbone encoder foo demand lr 0",
}


@each(("key", "role"), [(key, role) for role, keys in KEYS.items() for key in keys.split()])
def test_keys_announce_roles(key: str, role: Role | None) -> None:
    assert role_of_key(key) is role


@pytest.mark.parametrize(
    ("keys", "role"),
    [
        (["state", "param_groups"], Role.OPTIMIZER),
        (["scale", "growth_factor", "_growth_tracker"], Role.SCALER),
        (["base_lrs"], Role.SCHEDULER),
        (["last_epoch", "_last_lr"], Role.SCHEDULER),
        (["state"], None),
    ],
)
def test_some_dicts_are_known_by_their_keys(keys: list[str], role: Role | None) -> None:
    assert role_of_dict(keys) is role


def test_undecided_tensors_are_weights_where_nothing_else_is() -> None:
    assert settle_roles([Unsettled(None, ""), Unsettled(Role.OPTIMIZER, "x")], is_object=False) == [
        Role.MODEL,
        Role.OPTIMIZER,
    ]


def test_undecided_tensors_beside_weights_must_look_like_weights() -> None:
    found = [
        Unsettled(Role.MODEL, "w"),
        *(Unsettled(None, name) for name in ("weight", "table", "")),
    ]
    expected = [Role.MODEL, Role.MODEL, Role.OTHER, Role.OTHER]
    assert settle_roles(found, is_object=False) == expected
    assert settle_roles(found, is_object=True) == [Role.MODEL] * 4


def test_roles_reach_the_tensors_of_a_file(tmp_path: Path) -> None:
    one = torch.ones(2)
    tree = {
        "state_dict": {"optimizer_head.weight": one, "ema.weight": one},
        "ema": {"x": one},
        "inner": {"state": {0: {"exp_avg": one}}, "param_groups": []},
        "discriminator": {"weight": one},
        "centers": one,
        "loops": {"x": one},
    }
    roles = {t.fqn: t.role for t in open_checkpoint(save(tmp_path / "a.pt", tree)).tensors}
    assert roles == {
        "state_dict.optimizer_head.weight": Role.MODEL,
        "state_dict.ema.weight": Role.MODEL,
        "ema.x": Role.EMA,
        "inner.state.0.exp_avg": Role.OPTIMIZER,
        "discriminator.weight": Role.MODEL,
        "centers": Role.OTHER,
        "loops.x": Role.OTHER,
    }


AVERAGE = {"weight": torch.ones(3, 2), "bias": torch.ones(3)}
ONLY_AVERAGES: list[dict[str, object]] = [
    {"model": None, "ema": AVERAGE, "updates": torch.tensor(3)},
    {"ema": {**AVERAGE, "n": torch.tensor(3)}, "fitness": torch.tensor([0.5])},
    {"state_dict": {}, "model_ema": AVERAGE, "optimizer": {"state": {}, "param_groups": []}},
]
BOTH: list[dict[str, object]] = [
    {"model": AVERAGE, "ema": AVERAGE},
    {"generator": AVERAGE, "ema": AVERAGE},  # a name that announces nothing
    {"weight": torch.ones(3, 2), "bias": torch.ones(3), "ema": AVERAGE},
    {"generator": AVERAGE, "ema": AVERAGE, "ema_slow": AVERAGE, "swa": AVERAGE},
]


@pytest.mark.parametrize("tree", ONLY_AVERAGES)
def test_an_average_that_is_all_there_is_is_the_model(
    tree: dict[str, object], tmp_path: Path
) -> None:
    tensors = open_checkpoint(save(tmp_path / "a.pt", tree)).tensors
    roles = {t.fqn: t.role for t in tensors}
    averaged = {role for fqn, role in roles.items() if "ema." in fqn and fqn.endswith(("t", "s"))}
    assert averaged == {Role.MODEL}
    assert not any(role is Role.EMA for role in roles.values())
    assert {roles[f] for f in ("updates", "fitness") if f in roles} <= {Role.OTHER}


@pytest.mark.parametrize("tree", BOTH)
def test_an_average_beside_a_model_stays_one(tree: dict[str, object], tmp_path: Path) -> None:
    tensors = open_checkpoint(save(tmp_path / "a.pt", tree)).tensors
    assert {t.role for t in tensors} == {Role.MODEL, Role.EMA}
    assert all((t.role is Role.EMA) == ("ema" in t.fqn or "swa" in t.fqn) for t in tensors)


def test_an_average_alone_in_a_safetensors_file_is_the_model(tmp_path: Path) -> None:
    averaged = {f"ema.{name}": tensor for name, tensor in AVERAGE.items()}
    save_file(averaged, tmp_path / "a.safetensors")
    save_file(averaged | {"net.weight": torch.ones(2)}, tmp_path / "b.safetensors")
    alone, both = (open_checkpoint(tmp_path / name) for name in ("a.safetensors", "b.safetensors"))
    assert {t.role for t in alone.tensors} == {Role.MODEL}
    assert {t.role for t in both.tensors} == {Role.MODEL, Role.EMA}


def test_states_of_random_generators_and_moments_are_no_weights(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    trees = {
        Role.OTHER: {"python": (3, (1, 2), None), "numpy": ("MT19937", 1), "cpu": state},
        Role.OPTIMIZER: {"groups": [{"exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}]},
    }
    for role, tree in trees.items():
        assert {t.role for t in open_checkpoint(save(tmp_path / "a.pt", tree)).tensors} == {role}
