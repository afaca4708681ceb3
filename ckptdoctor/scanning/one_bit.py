"""That one flipped bit alone explains a checksum, in words and figures for a finding."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.checkpoint import StorageRef, TensorRecord
from ckptdoctor.formats.zip.flipped_bit import Suspects, odds_of_chance, suspects_of
from ckptdoctor.formats.zip.packed_bit import suspects_beside
from ckptdoctor.scanning.flipped import Element, element_at, told_values, value_of
from ckptdoctor.sources.descriptors import pread

__all__ = ["one_bit"]

_WORTH_SAYING = 1e-4


def one_bit(
    fd: int,
    ref: StorageRef,
    computed: int | None,
    tensors: Sequence[TensorRecord],
    byteorder: str,
) -> tuple[str, dict[str, object]] | None:
    """A clause, and the same for programs; None where more than one bit is wrong.

    Args:
        fd: the file.
        ref: a record whose checksum does not match.
        computed: the CRC32 of its bytes; None where it is compressed and does not inflate.
        tensors: on it.
        byteorder: of the file.
    """
    suspects = _suspects(fd, ref, computed)
    if suspects.checksum_bit is not None and not suspects.bits:
        return (
            "one bit of the stored checksum is wrong, and the data is right",
            {"flipped_in": "checksum", "flipped_bit": suspects.checksum_bit},
        )
    if len(suspects.bits) != 1:
        return None
    byte, bit = divmod(suspects.bits[0], 8)
    odds = odds_of_chance(ref.deflated_nbytes or ref.nbytes)
    clause = f"one bit is wrong, bit {bit} of byte {ref.offset + byte}"
    evidence: dict[str, object] = {
        "flipped_in": "data",
        "flipped_byte": ref.offset + byte,
        "flipped_bit": bit,
        "odds": odds,
    }
    element = element_at(tensors, byte, bit, byteorder) if ref.is_plain else None
    if element is not None:
        more, where = _explained(fd, ref, element, byteorder, (byte, bit))
        clause, evidence = f"{clause}: {more}", evidence | where
    if odds > _WORTH_SAYING:
        clause += f" (other damage looks like that in 1 of {1 / odds:,.0f} cases)"
    return clause, evidence


def _suspects(fd: int, ref: StorageRef, computed: int | None) -> Suspects:
    """What alone may be wrong; of compressed bytes where they are few enough to try each bit."""
    if not ref.crc32:
        return Suspects()
    if ref.is_plain and computed is not None:
        return suspects_of(ref.crc32, computed, ref.nbytes)
    if ref.deflated_nbytes is None:
        return Suspects()
    return suspects_beside(
        lambda nbytes: pread(fd, nbytes, ref.offset), ref.deflated_nbytes, ref.crc32, ref.nbytes
    )


def _explained(
    fd: int, ref: StorageRef, element: Element, byteorder: str, where: tuple[int, int]
) -> tuple[str, dict[str, object]]:
    """Which element it is, and what the bit did to it."""
    byte, bit = where
    raw = bytearray(pread(fd, element.dtype.itemsize, ref.offset + element.start))
    old = value_of(element.dtype, bytes(raw), byteorder)
    raw[byte - element.start] ^= 1 << bit
    values = told_values(old, value_of(element.dtype, bytes(raw), byteorder))
    name, index = element.tensor.fqn, list(element.index)
    clause = f"{name}{index}, in its {element.part.words}" + (f": {values}" if values else "")
    evidence: dict[str, object] = {
        "flipped_tensor": name,
        "flipped_index": index,
        "flipped_part": element.part.value,
    }
    return clause, evidence
