"""The names of globals that picklers write, exactly, and what they do with each.

A table maps a module to the qualified names in it, separated by blanks. There are three kinds:
``CALLED``, ``BUILT`` and ``NAMED``, as :class:`~ckptdoctor.formats.pickle.names.Use` has them. A
class that some versions build and others call stands in both. ``CALLERS`` are those of ``CALLED``
that call what they are given. The names of a module are taken apart when it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import ModuleType

# All at once, in 2 ms: whoever watches a scan must not see it import anything.
from ckptdoctor.formats.pickle.tables import (
    enums,
    metrics,
    numpy,
    others,
    python,
    timm,
    timm_layers,
    torch,
    torch_ao,
    torch_distributed,
    torch_functions,
    torch_nn,
    torch_training,
    trainers,
    ultralytics,
    vision,
)

__all__ = ["find", "is_enumeration"]

_USES = ("CALLED", "BUILT", "NAMED")
_TORCH = (torch, torch_nn, torch_functions, torch_training, torch_distributed, torch_ao, enums)
_TABLES_OF: Mapping[str, tuple[ModuleType, ...]] = {
    "numpy": (numpy,),
    "timm": (timm, timm_layers),
    "torch": _TORCH,
    "torchmetrics": (metrics, enums),
    "torchvision": (vision,),
    "ultralytics": (ultralytics,),
}
_TABLES_OF_THE_REST = (python, trainers, others, enums)


def find(module: str, qualname: str) -> str:
    """``called``, ``built`` or ``named``, by the table in which a pair stands; "" for none."""
    return _of_module(module).get(qualname, "")


def is_enumeration(module: str, qualname: str) -> bool:
    """Whether a class is an enumeration of the known packages."""
    return qualname in enums.CALLED.get(module, "").split()


@functools.lru_cache(maxsize=1024)
def _of_module(module: str) -> Mapping[str, str]:
    tables = _TABLES_OF.get(module.partition(".")[0], _TABLES_OF_THE_REST)
    found: dict[str, str] = {}
    for use in _USES:
        for table in tables:
            held: Mapping[str, str] = getattr(table, use, {})
            for qualname in held.get(module, "").split():
                found.setdefault(qualname, use.lower())
    return found
