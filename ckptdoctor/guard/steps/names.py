"""What to call a parameter: its fully qualified name, without what wrappers add."""

from __future__ import annotations

import re

import torch

__all__ = ["names_of"]

_WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


class _Names(dict[int, str]):
    """Names by identity; a parameter that came later has none."""

    def __missing__(self, key: int) -> str:
        return "a parameter without a name"


def names_of(model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[int, str]:
    """The name of each parameter by its ``id``: the model's, else its place in the optimizer."""
    names = _Names()
    for optimizer in optimizers:
        for group_at, group in enumerate(optimizer.param_groups):
            for at, parameter in enumerate(group["params"]):
                names[id(parameter)] = f"param_groups[{group_at}]['params'][{at}]"
    for name, parameter in model.named_parameters():
        names[id(parameter)] = _WRAPPERS.sub("", name)
    return names
