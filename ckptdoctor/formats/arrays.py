"""How numpy spells arrays and scalars in a pickle, and joblib the arrays.

Source: ``array_reduce`` and ``gentype_reduce`` in ``numpy/_core/src/multiarray`` (``methods.c``,
``scalartypes.c.src``), and ``_frombuffer`` in ``numpy/_core/numeric.py``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.dtypes import NUMPY
from ckptdoctor.formats.pickle.element_types import RECORDS
from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Node,
    unwrap,
)
from ckptdoctor.formats.raw import Call, Parts, RawTensor, Reader, Unfolded, Value, sizes_of

__all__ = ["JOBLIB_ARRAY", "READERS", "array_dtype"]

JOBLIB_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"

_DTYPES = {"numpy.dtype"} | {
    f"numpy.{core}._internal._convert_to_stringdtype_kwargs" for core in ("core", "_core")
}

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


def _array(call: Call) -> Unfolded:
    """``_reconstruct(ndarray, (0,), b"b")``, its state (version, shape, dtype, fortran, data)."""
    if type(call.state) is not tuple:
        return Parts([])
    *_, shape, dtype, fortran, data = call.state
    if type(data) is list:  # dtype=object: its items are nodes of their own
        return Parts([(str(index), item) for index, item in enumerate(data)])
    return _array_of(call, shape, dtype, data, fortran=bool(unwrap(fortran)))


def _array_from_buffer(call: Call) -> Unfolded:
    data, dtype, shape, order = call.args[:4]
    return _array_of(call, shape, dtype, data, fortran=order == "F")


def _array_of(call: Call, shape: Node, dtype: Node, data: Node, *, fortran: bool) -> Unfolded:
    sizes = sizes_of(shape)
    code, order = array_dtype(dtype)
    element = NUMPY.get(code)
    if code[:1] == "O":
        raise TypeError("bytes for elements that are objects")
    if element is None:  # text, dates, records: nothing that could be NaN to us
        return Parts([])
    raw = call.strings.find(data)
    if order == ">":
        number = element.itemsize if element.component is None else element.itemsize // 2
        raw = call.strings.swapped(data, number)
    if isinstance(raw, bytes):
        ref = StorageRef(key="array", offset=0, nbytes=len(raw), inline=raw)
    else:
        offset = (call.strings.file_offset or 0) + raw.offset
        ref = StorageRef(key=f"array:{offset}", offset=offset, nbytes=raw.nbytes)
        if raw.is_text:
            nbytes = math.prod(sizes) * element.itemsize
            ref = replace(ref, nbytes=nbytes, text_nbytes=raw.nbytes)
    return RawTensor(element, sizes, _contiguous(sizes, fortran=fortran), 0, ref)


def _joblib_array(call: Call) -> Unfolded:
    """An array whose bytes ``joblib`` wrote behind its description."""
    if not call.members or type(call.state) is not DictNode:
        return Parts([])
    (payload,) = call.members
    shape, dtype = call.state.get("shape"), call.state.get("dtype")
    fortran = call.state.get("order") == "F"
    if payload is None:
        element = NUMPY.get(array_dtype(dtype)[0])
        sizes = sizes_of(shape)
        strides = _contiguous(sizes, fortran=fortran)
        return None if element is None else RawTensor(element, sizes, strides, 0, None, lost=True)
    if not isinstance(payload, bytes | BytesRef):
        return Parts([(None, payload)])
    return _array_of(call, shape, dtype, payload, fortran=fortran)


def _scalar(call: Call) -> Unfolded:
    """``scalar(dtype, bytes)``."""
    code, order = array_dtype(call.args[0])
    if code not in _STRUCT_CODES:
        return Parts([])
    raw = call.strings.find(call.args[1])
    if isinstance(raw, BytesRef):
        raise TypeError("a scalar of thousands of bytes")
    return Value(struct.unpack(("<" if order != ">" else ">") + _STRUCT_CODES[code], raw)[0])


def array_dtype(node: Node) -> tuple[str, str]:
    """Numpy's type code, and its byte order (``<``, ``>`` or ``|``)."""
    if type(node) is not Instance or node.name not in _DTYPES:
        raise TypeError("no dtype")
    if node.name != "numpy.dtype":
        return "T", "|"  # text of any length
    code = node.args[0]
    described = node.state if type(node.state) is tuple else ()
    if type(code) is GlobalRef and code.name in RECORDS:
        return f"V{unwrap(described[5])}", "|"
    if type(code) is not str:
        raise TypeError("a dtype without a code")
    order = described[1] if len(described) > 1 else "<"
    return code.lstrip("<>=|"), code[0] if code[:1] in "<>" and code else order


def _contiguous(shape: tuple[int, ...], *, fortran: bool) -> tuple[int, ...]:
    strides, step = [], 1
    for size in shape if fortran else reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(strides if fortran else reversed(strides))


READERS: Mapping[str, Reader] = {JOBLIB_ARRAY: _joblib_array} | {
    f"numpy.{core}.{name}": reader
    for core in ("core", "_core")
    for name, reader in {
        "multiarray._reconstruct": _array,
        "multiarray.scalar": _scalar,
        "numeric._frombuffer": _array_from_buffer,
    }.items()
}
"""The function that numpy calls -> what reads the call."""
