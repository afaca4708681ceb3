"""The names of globals that picklers write, exactly, and what they do with each.

A table maps a module to the qualified names in it, separated by blanks. There are three kinds:
``CALLED``, ``BUILT`` and ``NAMED``, as :class:`~ckptdoctor.formats.pickle.names.Use` has them. A
class that some versions build and others call stands in both. ``CALLERS`` are those of ``CALLED``
that call what they are given. The names of a module are taken apart when it is asked for.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping

__all__ = ["find"]

_USES = ("CALLED", "BUILT", "NAMED")
# Read when a package is first asked about: most pickles name torch alone.
_TABLES_OF = {
    "numpy": ("numpy",),
    "timm": ("timm", "timm_layers"),
    "torch": (
        *("torch", "torch_nn", "torch_functions", "torch_training", "torch_distributed"),
        "torch_ao",
    ),
    "torchmetrics": ("metrics",),
    "torchvision": ("vision",),
    "ultralytics": ("ultralytics",),
    **dict.fromkeys(
        """
        accelerate ema_pytorch lightning lightning_fabric mmengine omegaconf pytorch_lightning
        transformers
        """.split(),
        ("trainers",),
    ),
}
_TABLES_OF_THE_REST = ("python", "others")


def find(module: str, qualname: str) -> str:
    """``called``, ``built`` or ``named``, by the table in which a pair stands; "" for none."""
    return _of_module(module).get(qualname, "")


@functools.lru_cache(maxsize=1024)
def _of_module(module: str) -> Mapping[str, str]:
    names = _TABLES_OF.get(module.partition(".")[0], _TABLES_OF_THE_REST)
    tables = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found: dict[str, str] = {}
    for use in _USES:
        for table in tables:
            held: Mapping[str, str] = getattr(table, use, {})
            for qualname in held.get(module, "").split():
                found.setdefault(qualname, use.lower())
    return found
