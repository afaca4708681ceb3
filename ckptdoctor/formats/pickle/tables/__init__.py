"""The names of globals that picklers write, exactly, and what they do with each.

A table maps a module to the qualified names in it, separated by blanks. There are three kinds:
``CALLED``, ``BUILT`` and ``NAMED``, as :class:`~ckptdoctor.formats.pickle.names.Use` has them. A
class that some versions build and others call stands in both. ``CALLERS`` are those of ``CALLED``
that call what they are given. The names of a module are taken apart when it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from ckptdoctor.formats.pickle.tables import (
    numpy,
    python,
    torch,
    torch_ao,
    torch_distributed,
    torch_nn,
    torch_training,
)

__all__ = ["find"]

_Table = Mapping[str, str]
_CALLED: tuple[_Table, ...] = (
    python.CALLED,
    torch.CALLED,
    torch_ao.CALLED,
    torch_distributed.CALLED,
    torch_nn.CALLED,
    torch_training.CALLED,
    numpy.CALLED,
)
_BUILT: tuple[_Table, ...] = (
    python.BUILT,
    torch.BUILT,
    torch_ao.BUILT,
    torch_distributed.BUILT,
    torch_nn.BUILT,
    torch_training.BUILT,
    numpy.BUILT,
)
_NAMED: tuple[_Table, ...] = (
    python.NAMED,
    torch.NAMED,
    torch_ao.NAMED,
    torch_distributed.NAMED,
    torch_nn.NAMED,
    torch_training.NAMED,
    numpy.NAMED,
)
_TABLES = {"called": _CALLED, "built": _BUILT, "named": _NAMED}


def find(module: str, qualname: str) -> str:
    """``called``, ``built`` or ``named``, by the table in which a pair stands; "" for none."""
    return _of_module(module).get(qualname, "")


@functools.lru_cache(maxsize=1024)
def _of_module(module: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for use, tables in _TABLES.items():
        for table in tables:
            for qualname in table.get(module, "").split():
                found.setdefault(qualname, use)
    return found
