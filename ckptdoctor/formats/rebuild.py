"""How torch and numpy spell tensors, arrays and scalars in a pickle.

torch pickles a tensor as a call, ``torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
...)``. :func:`unfold` reads such a call without making it: it answers with the tensor, the value,
or the parts to look into.

Sources: ``torch/_utils.py`` and ``torch/_tensor.py`` of PyTorch 0.1.9 to 2.13 for the calls;
``numpy/_core/src/multiarray/methods.c`` (``array_reduce``) for arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.dtypes import BY_NAME, NUMPY, STORAGE_CLASSES, DType
from ckptdoctor.formats.pickle_nodes import BytesRef, GlobalRef, Instance, Node, PersistentId
from ckptdoctor.formats.source import ByteSource

__all__ = [
    "MalformedTensorError",
    "Parts",
    "RawTensor",
    "Storage",
    "StorageLookup",
    "Value",
    "class_dtype",
    "unfold",
]


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as the pickle knows it: where its bytes are and what its elements are."""

    ref: StorageRef | None
    dtype: DType
    lost: bool = False


@dataclass(frozen=True, slots=True)
class RawTensor:
    """A tensor before it has a name."""

    dtype: DType
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage_offset: int
    storage: StorageRef | None
    lost: bool = False


StorageLookup = Callable[[Node], Storage | RawTensor | None]
"""Finds what a persistent id names: a storage, in tar files a tensor too; None for neither."""


@dataclass(frozen=True, slots=True)
class Value:
    """Something that is a plain value after all: a numpy scalar, a path, a device."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Parts:
    """Something made of named parts; a part named None stands for the whole."""

    parts: list[tuple[str | None, Node]]


class MalformedTensorError(Exception):
    """The arguments of a rebuild call do not describe a tensor."""


Unfolded = RawTensor | Value | Parts | None


def unfold(instance: Instance, lookup: StorageLookup, source: ByteSource) -> Unfolded:
    """The tensor, value or parts that a call stands for; None where the call is not known.

    Args:
        instance: the call.
        lookup: finds storages.
        source: where byte strings of the pickle lie.

    Raises:
        MalformedTensorError: the call is known and its arguments are not what torch writes.
    """
    reader = _READERS.get(instance.name)
    if reader is None:
        return _old_tensor(instance, lookup)
    args = instance.args if type(instance.args) is tuple else ()
    try:
        return reader(_Call(args, instance.state, lookup, source))
    except (IndexError, ValueError, TypeError, struct.error) as error:
        raise MalformedTensorError(f"{instance.name} with arguments it never has") from error


def class_dtype(storage_class: Node) -> DType | None:
    """The element type of a storage class or of a dtype, given as a global."""
    if type(storage_class) is not GlobalRef:
        return None
    name = storage_class.name.rpartition(".")[2]
    return STORAGE_CLASSES.get(name) or BY_NAME.get(name)


@dataclass(frozen=True, slots=True)
class _Call:
    args: tuple[Node, ...]
    state: Node
    lookup: StorageLookup
    source: ByteSource


_Reader = Callable[[_Call], Unfolded]


def _sizes(node: Node) -> tuple[int, ...]:
    """A tuple of non-negative integers, as a shape or stride is; torch.Size is one too."""
    if type(node) is Instance and node.name == "torch.Size" and type(node.args) is tuple:
        node = node.args[0]
    if type(node) not in (tuple, list):
        raise TypeError("no tuple of sizes")
    for size in node:
        if type(size) is not int or not -1 < size < 1 << 63:
            raise TypeError("a size that is no size")
    return tuple(node)


def _count(node: Node) -> int:
    if type(node) is not int or not -1 < node < 1 << 63:
        raise TypeError("an offset that is no offset")
    return node


def _view(call: _Call, dtype: DType | None = None) -> RawTensor:
    """The first four arguments of every strided rebuild call."""
    storage_node, offset, size, stride = call.args[:4]
    storage = _storage(storage_node, call.lookup)
    shape, steps = _sizes(size), _sizes(stride)
    if len(shape) != len(steps):
        raise ValueError("shape and stride of different lengths")
    return RawTensor(
        dtype or storage.dtype, shape, steps, _count(offset), storage.ref, storage.lost
    )


def _storage(node: Node, lookup: StorageLookup) -> Storage:
    if type(node) is Instance and node.name.endswith("TypedStorage"):
        node = node.args[0]
    storage = lookup(node.pid) if type(node) is PersistentId else None
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without a storage")
    return storage


def _tensor(call: _Call) -> RawTensor:
    return _view(call)


def _tensor_v3(call: _Call) -> RawTensor:
    dtype = class_dtype(call.args[6])
    if dtype is None:
        raise TypeError("an unknown dtype")
    return _view(call, dtype)


def _qtensor(call: _Call) -> Unfolded:
    """Quantized: the integers, and per-channel scales and zero points where they are tensors."""
    params = call.args[4]
    plain = Instance(GlobalRef("torch._utils._rebuild_tensor", runs_code=False), call.args[:4])
    names = ("qscheme", "scales", "zero_points", "axis")
    parts: list[tuple[str | None, Node]] = [
        (name, param) for name, param in zip(names, params, strict=False) if type(param) is Instance
    ]
    return Parts([(None, plain), *parts])


def _first_argument(call: _Call) -> Parts:
    return Parts([(None, call.args[0])])


def _parameter_with_state(call: _Call) -> Parts:
    return Parts([(None, call.args[0]), (None, call.args[3])])


def _from_type(call: _Call) -> Parts:
    """``_rebuild_from_type_v2(func, type, args, state)``: a subclass, or a tensor with attributes."""
    func, _, args, state = call.args[:4]
    return Parts([(None, Instance(func, args)), (None, state)])


def _sparse(call: _Call) -> Parts:
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


def _nested(call: _Call) -> Parts:
    names = ("buffer", "sizes", "strides", "storage_offsets")
    return Parts(list(zip(names, call.args, strict=False)))


def _meta(call: _Call) -> RawTensor:
    dtype = class_dtype(call.args[0])
    if dtype is None:
        raise TypeError("an unknown dtype")
    return RawTensor(dtype, _sizes(call.args[1]), _sizes(call.args[2]), 0, None)


def _nothing(_: _Call) -> Parts:
    return Parts([])


def _old_tensor(instance: Instance, lookup: StorageLookup) -> RawTensor | None:
    """``torch.FloatTensor`` with the state (storage, offset, size, stride), before torch 0.2."""
    state = instance.state
    if (
        type(state) is not tuple
        or len(state) != 4
        or type(state[0]) is not PersistentId
        or not instance.name.endswith("Tensor")
    ):
        return None
    try:
        return _view(_Call(state, None, lookup, _NO_SOURCE))
    except TypeError as error:
        raise MalformedTensorError(f"{instance.name} with a state it never has") from error


# -- numpy ---------------------------------------------------------------------------------------

_STRUCT_CODES = {
    "f8": "d",
    "f4": "f",
    "f2": "e",
    "i8": "q",
    "i4": "i",
    "i2": "h",
    "i1": "b",
    "u8": "Q",
    "u4": "I",
    "u2": "H",
    "u1": "B",
    "b1": "?",
}


def _numpy_dtype(node: Node) -> tuple[str, str]:
    """Numpy's type code, and its byte order (``<``, ``>`` or ``|``)."""
    if type(node) is not Instance or not node.name.endswith("numpy.dtype"):
        raise TypeError("no dtype")
    code = node.args[0]
    if type(code) is not str:
        raise TypeError("a dtype without a code")
    order = node.state[1] if type(node.state) is tuple and len(node.state) > 1 else "<"
    return code.lstrip("<>=|"), code[0] if code[:1] in "<>" and code else order


def _bytes(node: Node) -> bytes | BytesRef:
    """A byte string, however the protocol spells it."""
    if isinstance(node, bytes | BytesRef):
        return node
    if type(node) is str:  # Python 2
        return node.encode("latin-1")
    if type(node) is Instance and node.name == "_codecs.encode":
        text = node.args[0]
        if type(text) is str:
            return text.encode("latin-1")
    if type(node) is Instance and node.name in ("builtins.bytearray", "builtins.bytes"):
        return _bytes(node.args[0]) if node.args else b""
    raise TypeError("no byte string")


def _array(call: _Call) -> Unfolded:
    """``_reconstruct(ndarray, (0,), b"b")`` with the state (version, shape, dtype, fortran, data)."""
    if type(call.state) is not tuple:
        return Parts([])
    *_, shape, dtype, fortran, data = call.state
    if type(data) is list:  # dtype=object: its items are nodes of their own
        return Parts([(str(index), item) for index, item in enumerate(data)])
    return _array_of(call, _sizes(shape), dtype, bool(fortran), data)


def _array_from_buffer(call: _Call) -> Unfolded:
    data, dtype, shape, order = call.args[:4]
    return _array_of(call, _sizes(shape), dtype, order == "F", data)


def _array_of(
    call: _Call, shape: tuple[int, ...], dtype: Node, fortran: bool, data: Node
) -> Unfolded:
    code, order = _numpy_dtype(dtype)
    element = NUMPY.get(code)
    if element is None:  # text, dates, records: nothing that could be NaN to us
        return Parts([])
    raw = _bytes(data)
    if isinstance(raw, BytesRef) and (order == ">" or call.source.file_offset is None):
        raw = call.source.read(raw.offset, raw.nbytes)
    if isinstance(raw, bytes):
        if order == ">":
            raw = _swapped(raw, element)
        ref = StorageRef(key="array", offset=0, nbytes=len(raw), inline=raw)
    else:
        base = call.source.file_offset or 0
        ref = StorageRef(key="array", offset=base + raw.offset, nbytes=raw.nbytes)
    return RawTensor(element, shape, _contiguous(shape, fortran), 0, ref)


def _swapped(raw: bytes, element: DType) -> bytes:
    size = element.itemsize if element.component is None else element.itemsize // 2
    swapped = bytearray(raw)
    for byte in range(size):
        swapped[byte::size] = raw[size - 1 - byte :: size]
    return bytes(swapped)


def _contiguous(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    strides, step = [], 1
    for size in shape if fortran else reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(strides if fortran else reversed(strides))


def _numpy_scalar(call: _Call) -> Unfolded:
    dtype, data = call.args[:2]
    code, order = _numpy_dtype(dtype)
    raw = _bytes(data)
    if isinstance(raw, BytesRef) or code not in _STRUCT_CODES:
        return Parts([])
    return Value(struct.unpack(("<" if order != ">" else ">") + _STRUCT_CODES[code], raw)[0])


# -- plain values --------------------------------------------------------------------------------


def _path(call: _Call) -> Value:
    parts = [part for part in call.args if type(part) is str]
    return Value("/".join(parts).replace("//", "/", 1))


def _text_argument(call: _Call) -> Value:
    return Value(":".join(str(arg) for arg in call.args if type(arg) in (str, int)))


class _NoSource:
    nbytes = 0
    file_offset = None

    def read(self, offset: int, nbytes: int) -> bytes:
        raise TypeError("nothing to read")


_NO_SOURCE: ByteSource = _NoSource()

_READERS: Mapping[str, _Reader] = {
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
    **{
        f"numpy.{core}.{name}": reader
        for core in ("core", "_core")
        for name, reader in {
            "multiarray._reconstruct": _array,
            "multiarray.scalar": _numpy_scalar,
            "numeric._frombuffer": _array_from_buffer,
        }.items()
    },
    **{f"pathlib.{flavour}Path": _path for flavour in ("", "Posix", "Windows", "PurePosix")},
    **{f"pathlib._local.{flavour}Path": _path for flavour in ("", "Posix", "Windows")},
    "torch.device": _text_argument,
}
