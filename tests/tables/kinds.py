"""What a pickler does with a class: builds it without its constructor, calls it, or neither."""

from __future__ import annotations

import enum

from tests.tables.sources import ClassSource, Sources

__all__ = ["Use", "use_of"]


class Use(enum.Enum):
    """How a pickle holds a name; the value is the constant of the table."""

    BUILT = "BUILT"
    CALLED = "CALLED"
    NAMED = "NAMED"


_ENUMS = frozenset(f"enum.{name}" for name in "Enum IntEnum StrEnum Flag IntFlag".split()) | {
    "lightning_utilities.core.enums.StrEnum"
}
_DATA = frozenset(
    """
    object ABC dict list tuple set frozenset str int float bytes abc.ABC typing.Generic
    typing.NamedTuple typing.Protocol typing.Mapping typing.MutableMapping typing.Sequence
    typing.Iterable typing.Iterator typing.Sized typing.Callable typing.Dict typing.List
    typing_extensions.Protocol collections.OrderedDict collections.UserDict collections.UserList
    collections.defaultdict collections.Counter types.SimpleNamespace
    collections.abc.Mapping collections.abc.Sequence
    collections.abc.MutableMapping collections.abc.MutableSequence collections.abc.Iterable
    collections.abc.Iterator collections.abc.Sized collections.abc.Callable
    """.split()
)
# Their own `__reduce__` has picklers call them, or refuses; what runs code when it is rebuilt.
_ROOTS_LEFT_OUT = frozenset(
    """
    torch.jit.ScriptModule torch.jit._script.ScriptModule torch.fx.graph_module.GraphModule
    torch.jit._script.RecursiveScriptModule torch.jit.TopLevelTracedModule
    torch.autograd.function.Function torch.autograd.Function torch.fx.GraphModule
    """.split()
)
# A tensor is rebuilt by a function that is told its class.
_TENSORS = frozenset(
    "torch.Tensor torch._tensor.Tensor torch.tensor.Tensor torch._C.TensorBase".split()
)
# Classes of another package that stand here by every name that they are imported under.
_ROOTS = frozenset(
    """
    torch.nn.Module torch.nn.modules.Module torch.nn.modules.module.Module
    torch.optim.Optimizer torch.optim.optimizer.Optimizer torch.utils.data.Dataset
    torch.utils.data.Sampler torch.utils.data.IterableDataset torch.optim.lr_scheduler._LRScheduler
    torch.optim.lr_scheduler.LRScheduler torch.utils.data.dataset.Dataset torch.nn.ModuleList
    torch.utils.data.sampler.Sampler
    """.split()
)


def use_of(cls: ClassSource, sources: Sources) -> Use | None:
    """How picklers hold a class; None where that cannot be seen from its bases."""
    ancestors = sources.ancestors(cls)
    if ancestors.keys() & _ROOTS_LEFT_OUT:
        return None
    if ancestors.keys() & _TENSORS:
        return Use.NAMED
    outside = {name for name, found in ancestors.items() if found is None}
    if outside & _ENUMS:
        return Use.CALLED if outside <= _ENUMS | _DATA else None
    if outside <= _DATA | _ROOTS or _comes_from_torch(outside):
        return Use.BUILT
    return None


def _comes_from_torch(outside: set[str]) -> bool:
    """Whether all the bases that no folder defines are layers of torch: `torch.nn.Sequential`."""
    return all(
        name in _DATA | _ROOTS
        or (name.startswith(("torch.nn.", "torchvision.", "timm.")) and "." in name)
        for name in outside
    )
