"""The element types of tensors, as bits: what a NaN and an Inf look like in each.

Sources: IEEE 754-2019 (binary16, 32, 64); OCP 8-bit floating point specification 1.0
(e4m3fn, e5m2); ``c10/util/Float8_*.h`` of PyTorch for the fnuz and e8m0 variants;
``torch/storage.py`` for the storage classes; the safetensors README for its names.
"""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Mapping
from dataclasses import field

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["BY_NAME", "NUMPY", "SAFETENSORS", "STORAGE_CLASSES", "DType", "Kind"]


class Kind(enum.Enum):
    """How the bits of one element are to be read."""

    FLOAT = "float"
    COMPLEX = "complex"
    SIGNED = "signed integer"
    UNSIGNED = "unsigned integer"
    EXPONENT = "bare exponent"  # float8_e8m0fnu: no sign, no mantissa
    OPAQUE = "packed bits"  # several values a byte, or no numeric meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class DType:
    """One element type.

    Attributes:
        name: torch's name without the ``torch.`` prefix.
        itemsize: bytes an element.
        kind: how to read the bits.
        component: for complex types, the type of each of the two parts.
        inf_bits: the magnitude bits of Inf, or None where the type has no Inf.
        finite_bits: the magnitude bits of the largest finite value; None for integers.
        max_finite: the largest finite value, or None for integers.
        saturations: magnitude -> its bits, of the values that ``nan_to_num`` and ``clamp`` leave
            where an Inf was: the largest finite value of this type, and of the narrower ones that
            the elements may have been converted from.
    """

    name: str
    itemsize: int
    kind: Kind
    component: str | None = None
    inf_bits: int | None = None
    finite_bits: int | None = None
    max_finite: float | None = None
    saturations: Mapping[float, int] = field(default_factory=dict)

    @property
    def can_be_non_finite(self) -> bool:
        """Whether a value of this type can be NaN or Inf at all."""
        return self.kind in (Kind.FLOAT, Kind.COMPLEX, Kind.EXPONENT)

    @property
    def nan_is_negative_zero(self) -> bool:
        """Whether the only NaN is what would be -0 elsewhere (the fnuz types)."""
        return self.name.endswith("fnuz")

    def decode(self, magnitude: int) -> float:
        """The finite, non-negative value of these magnitude bits."""
        match self.name:
            case "float64":
                value = struct.unpack("<d", magnitude.to_bytes(8, "little"))[0]
            case "float32":
                value = struct.unpack("<f", magnitude.to_bytes(4, "little"))[0]
            case "bfloat16":
                value = struct.unpack("<f", (magnitude << 16).to_bytes(4, "little"))[0]
            case "float16":
                value = struct.unpack("<e", magnitude.to_bytes(2, "little"))[0]
            case "float8_e5m2":  # the upper byte of a float16
                value = struct.unpack("<e", (magnitude << 8).to_bytes(2, "little"))[0]
            case "float8_e4m3fn":
                value = _small_float(magnitude, mantissa=3, bias=7)
            case "float8_e4m3fnuz":
                value = _small_float(magnitude, mantissa=3, bias=8)
            case "float8_e5m2fnuz":
                value = _small_float(magnitude, mantissa=2, bias=16)
            case "float8_e8m0fnu":
                value = math.ldexp(1.0, magnitude - 127)
            case name:
                raise ValueError(f"{name} is no real floating point type")
        return float(value)


def _small_float(magnitude: int, *, mantissa: int, bias: int) -> float:
    exponent, fraction = magnitude >> mantissa, magnitude & ((1 << mantissa) - 1)
    if exponent == 0:
        return math.ldexp(fraction, 1 - bias - mantissa)
    return math.ldexp((1 << mantissa) + fraction, exponent - bias - mantissa)


_HALF_MAX, _BFLOAT_MAX, _FLOAT_MAX = 65504.0, 3.3895313892515355e38, 3.4028234663852886e38


def _float(
    name: str, itemsize: int, inf_bits: int, max_finite: float, *narrower: float, code: str = ""
) -> DType:
    saturations = {max_finite: inf_bits - 1} if itemsize > 1 else {}  # float8 saturates by design
    for value in narrower:
        saturations[value] = int.from_bytes(struct.pack(code, value), "little")
    return DType(
        name=name,
        itemsize=itemsize,
        kind=Kind.FLOAT,
        inf_bits=inf_bits,
        finite_bits=inf_bits - 1,
        max_finite=max_finite,
        saturations=saturations,
    )


def _plain(kind: Kind, itemsize: int, *names: str) -> list[DType]:
    return [DType(name=name, itemsize=itemsize, kind=kind) for name in names]


_ALL = [
    _float(
        *("float64", 8, 0x7FF0_0000_0000_0000, 1.7976931348623157e308),
        *(_HALF_MAX, _BFLOAT_MAX, _FLOAT_MAX),
        code="<d",
    ),
    _float("float32", 4, 0x7F80_0000, _FLOAT_MAX, _HALF_MAX, _BFLOAT_MAX, code="<f"),
    _float("float16", 2, 0x7C00, _HALF_MAX),
    _float("bfloat16", 2, 0x7F80, _BFLOAT_MAX),
    _float("float8_e5m2", 1, 0x7C, 57344.0),
    DType(
        name="float8_e4m3fn", itemsize=1, kind=Kind.FLOAT, finite_bits=0x7E, max_finite=448.0
    ),  # no Inf: 0x7F and 0xFF are NaN
    # fnuz: no Inf, no -0; the bits of -0 (0x80) are the only NaN.
    DType(name="float8_e4m3fnuz", itemsize=1, kind=Kind.FLOAT, finite_bits=0x7F, max_finite=240.0),
    DType(
        name="float8_e5m2fnuz", itemsize=1, kind=Kind.FLOAT, finite_bits=0x7F, max_finite=57344.0
    ),
    DType(
        name="float8_e8m0fnu", itemsize=1, kind=Kind.EXPONENT, finite_bits=0xFE, max_finite=2.0**127
    ),
    DType(name="complex32", itemsize=4, kind=Kind.COMPLEX, component="float16"),
    DType(name="complex64", itemsize=8, kind=Kind.COMPLEX, component="float32"),
    DType(name="complex128", itemsize=16, kind=Kind.COMPLEX, component="float64"),
    *_plain(Kind.SIGNED, 1, "int8", "qint8"),
    *_plain(Kind.SIGNED, 2, "int16"),
    *_plain(Kind.SIGNED, 4, "int32", "qint32"),
    *_plain(Kind.SIGNED, 8, "int64"),
    *_plain(Kind.UNSIGNED, 1, "uint8", "quint8", "bool"),
    *_plain(Kind.UNSIGNED, 2, "uint16"),
    *_plain(Kind.UNSIGNED, 4, "uint32"),
    *_plain(Kind.UNSIGNED, 8, "uint64"),
    *_plain(Kind.OPAQUE, 1, "quint4x2", "quint2x4", "float4_e2m1fn_x2"),
    *_plain(Kind.OPAQUE, 1, "bits8", "bits1x8", "bits2x4", "bits4x2"),
    *_plain(Kind.OPAQUE, 2, "bits16"),
    *_plain(Kind.OPAQUE, 1, *(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8))),
]

BY_NAME: Mapping[str, DType] = {dtype.name: dtype for dtype in _ALL}
"""torch's dtype name -> DType."""

STORAGE_CLASSES: Mapping[str, DType] = {
    f"{prefix}Storage": BY_NAME[name]
    for prefix, name in {
        "Double": "float64",
        "Float": "float32",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
        "ComplexDouble": "complex128",
        "ComplexFloat": "complex64",
        "QInt8": "qint8",
        "QInt32": "qint32",
        "QUInt8": "quint8",
        "QUInt4x2": "quint4x2",
        "QUInt2x4": "quint2x4",
        "Untyped": "uint8",
    }.items()
}
"""Class name in ``torch`` or ``torch.cuda`` -> DType of its elements."""

SAFETENSORS: Mapping[str, DType] = {
    header: BY_NAME[name]
    for header, name in {
        "F64": "float64",
        "F32": "float32",
        "F16": "float16",
        "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E5M2": "float8_e5m2",
        "F8_E8M0": "float8_e8m0fnu",
        "F8_E4M3FNUZ": "float8_e4m3fnuz",
        "F8_E5M2FNUZ": "float8_e5m2fnuz",
        "C64": "complex64",
        "I64": "int64",
        "I32": "int32",
        "I16": "int16",
        "I8": "int8",
        "U64": "uint64",
        "U32": "uint32",
        "U16": "uint16",
        "U8": "uint8",
        "BOOL": "bool",
    }.items()
}
"""Name in a safetensors header -> DType."""

NUMPY: Mapping[str, DType] = {
    code: BY_NAME[name]
    for code, name in {
        "f8": "float64",
        "f4": "float32",
        "f2": "float16",
        "c8": "complex64",
        "c16": "complex128",
        "i8": "int64",
        "i4": "int32",
        "i2": "int16",
        "i1": "int8",
        "u8": "uint64",
        "u4": "uint32",
        "u2": "uint16",
        "u1": "uint8",
        "b1": "bool",
    }.items()
}
"""numpy's type code without its byte order -> DType."""
