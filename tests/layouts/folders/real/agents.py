"""Stable-Baselines3: ``CheckpointCallback`` and ``PPO.load``."""

from __future__ import annotations

from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CheckpointCallback

ENVIRONMENT = "CartPole-v1"


def train(_: str, root: Path) -> None:
    """48 steps, an archive after each 16."""
    model = PPO(
        "MlpPolicy",
        ENVIRONMENT,
        policy_kwargs={"net_arch": [8]},
        n_steps=16,
        batch_size=16,
        n_epochs=1,
        device="cpu",
        seed=0,
    )
    model.learn(48, callback=CheckpointCallback(save_freq=16, save_path=str(root)))


def resume(_: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """16 steps more from each."""
    from stable_baselines3.common.env_util import make_vec_env

    ended = []
    for path in paths:
        model = PPO.load(path, env=make_vec_env(ENVIRONMENT, seed=0), device="cpu")
        model.set_random_seed(0)
        model.learn(16, reset_num_timesteps=False)
        ended.append({key: value.clone() for key, value in model.policy.state_dict().items()})
    return ended
