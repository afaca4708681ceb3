"""What one flipped bit of a storage means: which element it is in, and how much it matters."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.plan import Extent
from ckptdoctor.scanning.stats import index_of

__all__ = ["Element", "Part", "Value", "element_at", "part_of", "told_values", "value_of"]

Value = float | int | None
"""Of one element; None where its bits are no number, as those of complex and packed types."""


class Part(enum.Enum):
    """What a bit is in its element."""

    SIGN = "sign"
    EXPONENT = "exponent"
    MANTISSA = "mantissa"
    INTEGER = "integer"
    BITS = "bits"  # of a type in which one bit is no part of one number

    @property
    def words(self) -> str:
        """What follows "in its"."""
        return {"integer": "value", "bits": "packed bits"}.get(self.value, self.value)


_MANTISSA_NBITS = {
    "float64": 52,
    "float32": 23,
    "float16": 10,
    "bfloat16": 7,
    "float8_e5m2": 2,
    "float8_e5m2fnuz": 2,
    "float8_e4m3fn": 3,
    "float8_e4m3fnuz": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """The element in which a bit lies.

    Attributes:
        tensor: that it is of; the first where several lie on the storage.
        others: names of the other tensors that have it too.
        index: of the element, one number a dimension.
        start: of its bytes, in the storage; of a complex one those of the part concerned.
        dtype: of these bytes: for a complex one that of its parts.
        bit: in the element, 0 for the lowest.
    """

    tensor: TensorRecord
    others: tuple[str, ...]
    index: tuple[int, ...]
    start: int
    dtype: DType
    bit: int

    @property
    def part(self) -> Part:
        """What the bit is in the element."""
        return part_of(self.dtype, self.bit)


def element_at(
    tensors: Iterable[TensorRecord], byte: int, bit: int, byteorder: str
) -> Element | None:
    """The element of the first of these tensors in which a bit of their storage lies.

    Args:
        tensors: on one storage.
        byte: in the storage.
        bit: in that byte, 0 for the lowest.
        byteorder: of the storage.
    """
    having: list[tuple[TensorRecord, tuple[int, ...]]] = []
    for tensor in tensors:
        itemsize = tensor.dtype_info.itemsize
        extent = Extent.of(tensor)
        if 0 in tensor.shape or not extent.start <= byte < extent.start + extent.nbytes:
            continue
        place = (byte - extent.start) // itemsize
        index = index_of(tensor, place)
        if sum(i * step for i, step in zip(index, tensor.stride, strict=True)) == place:
            having.append((tensor, index))
    if not having:
        return None
    (tensor, index), *others = having
    dtype = tensor.dtype_info
    if dtype.component is not None:
        dtype = BY_NAME[dtype.component]
    start = byte - byte % dtype.itemsize
    within = byte - start
    if byteorder == "big":
        within = dtype.itemsize - 1 - within
    return Element(
        tensor=tensor,
        others=tuple(other.fqn for other, _ in others),
        index=index,
        start=start,
        dtype=dtype,
        bit=8 * within + bit,
    )


def part_of(dtype: DType, bit: int) -> Part:
    """What a bit is in an element of this type, counted from the lowest."""
    if dtype.kind is Kind.EXPONENT:
        return Part.EXPONENT
    if dtype.kind in (Kind.SIGNED, Kind.UNSIGNED):
        return Part.INTEGER
    if dtype.kind is not Kind.FLOAT:
        return Part.BITS
    if bit == 8 * dtype.itemsize - 1:
        return Part.SIGN
    return Part.EXPONENT if bit >= _MANTISSA_NBITS[dtype.name] else Part.MANTISSA


def value_of(dtype: DType, raw: bytes, byteorder: str) -> Value:
    """The number that these bytes are."""
    bits = int.from_bytes(raw, "big" if byteorder == "big" else "little")
    match dtype.kind:
        case Kind.SIGNED:
            return bits - (bits >> 8 * len(raw) - 1 << 8 * len(raw))
        case Kind.UNSIGNED:
            return bits
        case Kind.EXPONENT:
            return math.nan if bits == (1 << 8 * len(raw)) - 1 else dtype.decode(bits)
        case Kind.FLOAT:
            return _float(dtype, bits, 1 << 8 * len(raw) - 1)
        case _:
            return None


def told_values(old: Value, new: Value) -> str:
    """What an element is and what it was; "" where it is no number."""
    return "" if old is None or new is None else f"{_number(old)}, was {_number(new)}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return f"{value:.9g}"


def _float(dtype: DType, bits: int, sign: int) -> float:
    magnitude = bits & (sign - 1)
    if dtype.nan_is_negative_zero and bits == sign:
        return math.nan
    if dtype.inf_bits is not None and magnitude >= dtype.inf_bits:
        value = math.inf if magnitude == dtype.inf_bits else math.nan
    elif dtype.finite_bits is not None and magnitude > dtype.finite_bits:
        value = math.nan
    else:
        value = dtype.decode(magnitude)
    return -value if bits & sign else value
