"""Which values, and which of the user's names, hold memory on a GPU.

Values are looked into, never called: no property, method or iterator of the user's runs.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["HeldName", "Holding", "held_names", "holding", "shell"]

# An Out[] may hold a data set with millions of rows; a model has some ten thousand parts.
_MAX_PARTS = 200_000
_OPAQUE = (types.ModuleType, type, str, bytes, int, float, complex, bool, type(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldName:
    """A variable that holds GPU memory.

    Attributes:
        name: in the notebook, or in ``__main__``.
        nbytes: of the tensors that can be reached from it, shared memory counted once.
        keeps_graph: whether one of them keeps a backward graph alive, whose memory is not counted.
    """

    name: str
    nbytes: int
    keeps_graph: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a value holds: bytes of tensors, and whether a backward graph hangs on one."""

    nbytes: int = 0
    keeps_graph: bool = False


def shell() -> Any:
    """IPython's shell if this runs in one, else None; IPython is not imported."""
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get is None else get()


def held_names(torch: Any, device_type: str = "cuda") -> tuple[HeldName, ...]:
    """The user's variables that hold memory on a kind of device, the largest first."""
    found = []
    for name, value in list(_namespace().items()):
        held = holding(value, torch, device_type)
        if held.nbytes:
            found.append(HeldName(name=name, nbytes=held.nbytes, keeps_graph=held.keeps_graph))
    return tuple(sorted(found, key=lambda held: (-held.nbytes, held.name)))


def _namespace() -> Mapping[str, Any]:
    """The user's own names: without IPython's, such as ``Out``, and a module's."""
    ours = shell()
    if ours is None:
        names = vars(sys.modules["__main__"])
        return {name: value for name, value in names.items() if not name.startswith("__")}
    hidden, nothing = ours.user_ns_hidden, object()
    return {
        name: value
        for name, value in ours.user_ns.items()
        if value is not hidden.get(name, nothing)
    }


def holding(value: Any, torch: Any, device_type: str = "cuda") -> Holding:
    """What a value and everything in it holds on a kind of device.

    Args:
        value: anything.
        torch: the module.
        device_type: as in ``torch.device``.
    """
    storages: dict[int, int] = {}
    keeps_graph = False
    with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001  (subclasses run the user's code)
        for tensor in _tensors(value, torch):
            if tensor.device.type == device_type:
                storages |= _memory(tensor, torch)
                keeps_graph = keeps_graph or tensor.grad_fn is not None
    return Holding(nbytes=sum(storages.values()), keeps_graph=keeps_graph)


def _memory(tensor: Any, torch: Any) -> dict[int, int]:
    """Bytes by address; empty for a tensor that only wraps others, which are looked at as well."""
    if tensor.layout is not torch.strided:  # several storages, none of which it lends
        return {id(tensor): tensor.numel() * tensor.element_size()}
    try:
        storage = tensor.untyped_storage()
        return {storage.data_ptr(): storage.nbytes()} if storage.data_ptr() else {}
    except RuntimeError:
        return {}


def _tensors(value: Any, torch: Any) -> Iterator[Any]:
    """Every tensor in a value: in modules, optimizers, containers and plain objects."""
    waiting, seen = deque([value]), {id(value)}
    while waiting and len(seen) < _MAX_PARTS:
        part = waiting.popleft()
        if _is_a(part, torch.Tensor):
            yield part
        for inner in _parts(part, torch):
            if id(inner) not in seen and not _is_a(inner, _OPAQUE):
                seen.add(id(inner))
                waiting.append(inner)


def _is_a(value: Any, kind: Any) -> bool:
    """As isinstance, but a proxy is not asked what it stands for, which would run its code."""
    return issubclass(type(value), kind)


def _parts(value: Any, torch: Any) -> Iterator[Any]:
    if _is_a(value, torch.Tensor):
        if value.is_leaf and value.grad is not None:  # asking one that is no leaf warns
            yield value.grad
    elif _is_a(value, dict):
        yield from list(dict.values(value))
    elif _is_a(value, list):
        yield from list.__iter__(value)
    elif _is_a(value, tuple):
        yield from tuple.__iter__(value)
    elif type(value) in (set, frozenset, deque):
        yield from list(value)
    if not _is_a(value, _OPAQUE):
        yield from list(_attributes(value).values())


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object, without running ``__getattr__``."""
    try:
        inner = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return inner if isinstance(inner, dict) else {}
