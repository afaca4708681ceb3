"""How torch spells tensors in a pickle, and others their plain values.

torch pickles a tensor as a call, ``torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
...)``. :func:`unfold` reads such a call without making it: it answers with the tensor, the value,
or the parts to look into.

Source: ``torch/_utils.py`` and ``torch/_tensor.py`` of PyTorch 0.1.9 to 2.13.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from ckptdoctor.dtypes import BY_NAME, DType
from ckptdoctor.formats import arrays
from ckptdoctor.formats.byte_strings import ByteStrings
from ckptdoctor.formats.pickle.loading import LOAD_FROM_BYTES
from ckptdoctor.formats.pickle.nodes import GlobalRef, Instance, Node, PersistentId, unwrap
from ckptdoctor.formats.pickle.unfinished import LOST
from ckptdoctor.formats.raw import (
    Call,
    Inside,
    MalformedTensorError,
    Parts,
    RawTensor,
    Reader,
    Storage,
    StorageLookup,
    Unfolded,
    Value,
    class_dtype,
    count_of,
    row_of,
    sizes_of,
)

__all__ = ["unfold"]

_MAX_NUMEL = 1 << 60  # torch counts bytes in 63 bits
_ELEMENTS_A_BYTE = {"quint4x2": 2, "quint2x4": 4}
_PATH_PARTS = 100
_PATH_CHARS = 1000
_REBUILD_TENSOR = GlobalRef("torch._utils._rebuild_tensor")


def unfold(instance: Instance, lookup: StorageLookup, strings: ByteStrings) -> Unfolded:
    """The tensor, value or parts that a call stands for; None where the call is not known.

    Args:
        instance: the call.
        lookup: finds storages.
        strings: finds the byte strings of the pickle.

    Raises:
        MalformedTensorError: the call is known and its arguments are not what torch writes.
    """
    reader = _READERS.get(instance.name)
    if reader is None:
        return _as_a_tensor(instance, lookup, strings) or _old_tensor(instance, lookup, strings)
    args = instance.args if type(instance.args) is tuple else ()
    try:
        return reader(Call(args, instance.state, lookup, strings, instance.members))
    except (IndexError, ValueError, TypeError, struct.error) as error:
        raise MalformedTensorError(f"{instance.name} with arguments it never has") from error


def _view(call: Call, dtype: DType | None = None) -> RawTensor:
    """The first four arguments of every strided rebuild call."""
    storage_node, offset, size, stride = call.args[:4]
    storage = _storage(storage_node, call.lookup)
    shape, steps = sizes_of(size), sizes_of(stride)
    if len(shape) != len(steps):
        raise ValueError("shape and stride of different lengths")
    if math.prod(shape) >= _MAX_NUMEL:
        raise ValueError("more elements than an address space has bytes")
    return RawTensor(
        dtype or storage.dtype, shape, steps, count_of(offset), storage.ref, storage.lost
    )


def _storage(node: Node, lookup: StorageLookup) -> Storage:
    if type(node) is Instance and node.name.endswith("TypedStorage"):
        node = node.args[0]
    storage: Storage | RawTensor | None = None
    if type(node) is PersistentId:
        storage = lookup(node.pid)
    elif type(node) is Instance and node.name == LOAD_FROM_BYTES:
        storage = lookup(Inside(node.args[0]))
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without a storage")
    return storage


def _is_storage(node: Node) -> bool:
    named = type(node) is Instance and node.name == LOAD_FROM_BYTES
    return named or type(node) is PersistentId


def _loaded(call: Call) -> RawTensor:
    """A storage that was pickled without a tensor."""
    storage = call.lookup(Inside(call.args[0]))
    if not isinstance(storage, Storage):
        raise TypeError("bytes that hold no storage")
    return row_of(storage)


def _tensor(call: Call) -> RawTensor:
    return _view(call)


def _tensor_v3(call: Call) -> RawTensor:
    dtype = class_dtype(call.args[6])
    if dtype is None:
        raise TypeError("an unknown dtype")
    return _view(call, dtype)


def _qtensor(call: Call) -> Unfolded:
    """Quantized: the integers, and per-channel scales and zero points where they are tensors."""
    params = call.args[4]
    plain = _packed(call)
    names = ("qscheme", "scales", "zero_points", "axis")
    parts: list[tuple[str | None, Node]] = [
        (name, param) for name, param in zip(names, params, strict=False) if type(param) is Instance
    ]
    return Parts([(None, plain), *parts])


def _packed(call: Call) -> Instance:
    """The integers: as they are, or as bytes in a row where several share one.

    torch counts the shape of a quint4x2 in elements, two of which lie in a byte of its storage.
    """
    view = _view(call)
    shared = _ELEMENTS_A_BYTE.get(view.dtype.name)
    args = call.args[:4]
    if shared is not None:
        nbytes = -(-math.prod(view.shape) // shared)
        args = (args[0], view.storage_offset // shared, (nbytes,), (1,))
    return Instance(_REBUILD_TENSOR, args)


def _first_argument(call: Call) -> Parts:
    return Parts([(None, call.args[0])])


def _parameter_with_state(call: Call) -> Parts:
    return _with_attributes(call.args[0], call.args[3])


def _from_type(call: Call) -> Parts:
    """``_rebuild_from_type_v2(func, type, args, state)``: a subclass, or one with attributes."""
    func, _, args, state = call.args[:4]
    return _with_attributes(Instance(func, args), state)


def _with_attributes(whole: Node, state: Node) -> Parts:
    """A tensor and its ``__dict__``, the items of which are named as if they were below it."""
    return Parts([(None, whole)] if unwrap(state) is None else [(None, whole), (None, state)])


def _sparse(call: Call) -> Parts:
    layout, data = call.args[:2]
    layout = layout.args[0] if type(layout) is Instance else layout
    rows = {"torch.sparse_csr": "crow_indices", "torch.sparse_bsr": "crow_indices"}
    cols = {"torch.sparse_csc": "ccol_indices", "torch.sparse_bsc": "ccol_indices"}
    if layout in rows:
        names = ["crow_indices", "col_indices", "values"]
    elif layout in cols:
        names = ["ccol_indices", "row_indices", "values"]
    else:
        names = ["indices", "values"]
    return Parts(list(zip(names, data, strict=False)))


def _nested(call: Call) -> Parts:
    names = ("buffer", "sizes", "strides", "storage_offsets")
    return Parts(list(zip(names, call.args, strict=False)))


def _meta(call: Call) -> RawTensor:
    dtype = class_dtype(call.args[0])
    if dtype is None:
        raise TypeError("an unknown dtype")
    return RawTensor(dtype, sizes_of(call.args[1]), sizes_of(call.args[2]), 0, None)


def _lost(call: Call) -> RawTensor:
    """Where a file was cut: what stood there, as far as it is known."""
    dtype, numel = BY_NAME["float32"], 1
    if len(call.args) == 2:
        dtype, numel = class_dtype(call.args[0]) or dtype, count_of(call.args[1])
    return RawTensor(dtype, (numel,), (1,), 0, None, lost=True)


def _nothing(_: Call) -> Parts:
    return Parts([])


def _as_a_tensor(instance: Instance, lookup: StorageLookup, strings: ByteStrings) -> Parts | None:
    """A function nobody knows, called as one that rebuilds tensors: (storage, offset, size, ...).

    Extensions of torch for other devices bring their own, such as
    ``torch_npu.utils.storage._rebuild_npu_tensor``.
    """
    args = instance.args
    if type(args) is not tuple or len(args) < 4 or not _is_storage(args[0]):
        return None
    try:
        _view(Call(args, None, lookup, strings))
    except (TypeError, ValueError):
        return None
    return _with_attributes(Instance(_REBUILD_TENSOR, args[:4]), instance.state)


def _old_tensor(
    instance: Instance, lookup: StorageLookup, strings: ByteStrings
) -> RawTensor | None:
    """``torch.FloatTensor`` with the state (storage, offset, size, stride), before torch 0.2."""
    state = instance.state
    if (
        type(state) is not tuple
        or len(state) != 4
        or not _is_storage(state[0])
        or not instance.name.endswith("Tensor")
    ):
        return None
    try:
        return _view(Call(state, None, lookup, strings))
    except (TypeError, ValueError) as error:
        raise MalformedTensorError(f"{instance.name} with a state it never has") from error


# -- plain values --------------------------------------------------------------------------------


def _path(call: Call) -> Value:
    parts = [part[:_PATH_CHARS] for part in call.args[:_PATH_PARTS] if type(part) is str]
    return Value("/".join(parts).replace("//", "/", 1))


def _text_argument(call: Call) -> Value:
    parts = [unwrap(arg) for arg in call.args[:2]]
    return Value(":".join(str(part) for part in parts if type(part) in (str, int)))


_READERS: Mapping[str, Reader] = {
    LOST.name: _lost,
    LOAD_FROM_BYTES: _loaded,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_qtensor": _qtensor,
    "torch._utils._rebuild_parameter": _first_argument,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch._utils._rebuild_device_tensor_from_numpy": _first_argument,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first_argument,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _sparse,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch._utils._rebuild_wrapper_subclass": _nothing,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.jit._pickle.build_tensor_from_id": _nothing,
    **{
        f"torch.jit._pickle.{name}": _first_argument
        for name in (
            "build_intlist",
            "build_tensorlist",
            "build_doublelist",
            "build_boollist",
            "restore_type_tag",
        )
    },
    **arrays.READERS,
    **{f"pathlib.{flavour}Path": _path for flavour in ("", "Posix", "Windows", "PurePosix")},
    **{f"pathlib._local.{flavour}Path": _path for flavour in ("", "Posix", "Windows")},
    "torch.device": _text_argument,
}
