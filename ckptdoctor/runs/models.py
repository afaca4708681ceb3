"""Whether two checkpoints hold the same model, whatever wraps it and a few tensors apart."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.runs.member import Layout

__all__ = ["Models"]

_WRAPPERS = frozenset(
    """
    module _orig_mod model model_state_dict state_dict model_state net network weights params
    ema ema_state_dict state_dict_ema _forward_module
    """.split()
)
_COMMON = 0.5
"""Most tensors in common, counted in the smaller of the two."""

_Tensors = frozenset[tuple[str, tuple[int, ...]]]


class Models:
    """Compares layouts; each is taken apart once."""

    def __init__(self) -> None:
        self._tensors: dict[int, tuple[_Tensors, _Tensors]] = {}
        self._same: dict[tuple[int, int], bool] = {}

    def are_same(self, a: Layout | None, b: Layout | None) -> bool:
        """Whether most tensors are in both; an unknown model may be any."""
        if a is None or b is None or a is b:
            return True
        pair = (id(a), id(b)) if id(a) < id(b) else (id(b), id(a))
        if pair not in self._same:
            self._same[pair] = any(map(_have_most_in_common, self._of(a), self._of(b)))
        return self._same[pair]

    def _of(self, layout: Layout) -> tuple[_Tensors, _Tensors]:
        """The tensors without wrappers, and without what all of their names begin with."""
        key = id(layout)
        if key not in self._tensors:
            cut = _shared_prefix(fqn for fqn, _, _ in layout)
            self._tensors[key] = (
                frozenset((_bare(fqn), shape) for fqn, _, shape in layout),
                frozenset((_bare(fqn[cut:]), shape) for fqn, _, shape in layout),
            )
        return self._tensors[key]


def _have_most_in_common(a: _Tensors, b: _Tensors) -> bool:
    fewest = min(len(a), len(b))
    return fewest > 0 and len(a & b) > _COMMON * fewest


def _shared_prefix(names: Iterable[str]) -> int:
    """How many characters of whole components all names begin with."""
    known = list(names)
    if len(known) < 2:
        return 0
    first, last = min(known).split("."), max(known).split(".")
    shared = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        shared += len(one) + 1
    return shared


def _bare(fqn: str) -> str:
    """The name without the wrappers around the model."""
    head, dot, rest = fqn.partition(".")
    while dot and head in _WRAPPERS:
        fqn = rest
        head, dot, rest = fqn.partition(".")
    return fqn
