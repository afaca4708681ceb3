"""Which part of the training state a key announces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.roles import role_of_dict, role_of_key, settle_roles
from tests.builders import save

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


@pytest.mark.parametrize(
    ("key", "role"), [(key, role) for role, keys in KEYS.items() for key in keys.split()]
)
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
    assert settle_roles([(None, ""), (Role.OPTIMIZER, "x")], is_object=False) == [
        Role.MODEL,
        Role.OPTIMIZER,
    ]


def test_undecided_tensors_beside_weights_must_look_like_weights() -> None:
    found = [(Role.MODEL, "w"), (None, "weight"), (None, "table"), (None, "")]
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
