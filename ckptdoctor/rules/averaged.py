"""Which averaged tensor belongs to which of the model: by their names, but for what wraps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ckptdoctor.checkpoint import TensorRecord

__all__ = ["tails", "twins"]

_WRAPPERS = re.compile(r"(^|\.)(module|_orig_mod|_forward_module)(?=\.)")
_MOST_PARTS = 4


def tails(fqn: str, most: int) -> Iterator[str]:
    """A name without the wrappers in it, and without up to ``most - 1`` of its first parts."""
    name = _WRAPPERS.sub("", fqn).removeprefix(".")
    for _ in range(most):
        yield name
        _, dot, name = name.partition(".")
        if not dot:
            return


def twins(
    tensors: Iterable[TensorRecord], among: Iterable[TensorRecord]
) -> tuple[list[tuple[TensorRecord, TensorRecord]], list[str]]:
    """Each tensor with its namesake of the same shape among others; and the names without one."""
    names = {name: tensor for tensor in among for name in tails(tensor.fqn, _MOST_PARTS)}
    pairs, alone = [], []
    for tensor in tensors:
        known = (names[name] for name in tails(tensor.fqn, _MOST_PARTS) if name in names)
        twin = next(known, None)
        if twin is None or twin.shape != tensor.shape:
            alone.append(tensor.fqn)
        else:
            pairs.append((tensor, twin))
    return pairs, alone
