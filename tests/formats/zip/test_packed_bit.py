"""The place of a flipped bit in compressed bytes, held against zlib."""

from __future__ import annotations

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.formats.zip.flipped_bit import Suspects
from ckptdoctor.formats.zip.packed_bit import (
    MOST_TRIED_NBYTES,
    TRIED_BESIDE_NBYTES,
    packed_suspects,
    tried_nbytes,
)
from tests.costs import calls

TEXT = b"".join(
    b"def forward(self, x_%d: Tensor) -> Tensor:\n  return x_%d\n" % (n, n) for n in range(9)
)


def packed(data: bytes, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def inflated(data: bytes) -> bytes | None:
    """What zlib makes of it; None where it is not whole, or goes on behind its end."""
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(data)
    except zlib.error:
        return None
    return plain if inflater.eof and not inflater.unused_data else None


def with_bit(data: bytes, number: int) -> bytes:
    new = bytearray(data)
    new[number // 8] ^= 1 << number % 8
    return bytes(new)


@given(
    data=st.binary(max_size=300) | st.text("ab\n", max_size=300).map(str.encode),
    level=st.sampled_from([0, 1, 9]),
    chosen=st.integers(min_value=0),
)
def test_the_bits_are_those_that_zlib_inflates_to_the_same(
    data: bytes, level: int, chosen: int
) -> None:
    whole = packed(data, level)
    damaged = with_bit(whole, chosen % (8 * len(whole)))
    found = packed_suspects(damaged, zlib.crc32(data), len(data))
    if inflated(damaged) == data:  # behind the last code, or a copy of the same from elsewhere
        assert found == Suspects()
        return
    every = range(8 * len(damaged))  # the writer left the end of its last byte zero
    fitting = {n for n in every if inflated(with_bit(damaged, n)) == data}
    assert set(found.bits) <= fitting
    assert all(n // 8 == len(damaged) - 1 for n in fitting - set(found.bits))
    assert chosen % (8 * len(whole)) in found.bits


def test_a_flipped_bit_of_the_checksum_is_none_of_the_data() -> None:
    found = packed_suspects(packed(TEXT), zlib.crc32(TEXT) ^ 1 << 9, len(TEXT))
    assert found == Suspects(checksum_bit=9)


def test_several_bits_suspect_nothing() -> None:
    whole, chance = packed(TEXT), random.Random(0)
    for many in (2, 2, 2, 3, 17):
        damaged = whole
        for number in chance.sample(range(8 * len(whole) - 8), many):
            damaged = with_bit(damaged, number)
        assert not packed_suspects(damaged, zlib.crc32(TEXT), len(TEXT))


def test_a_bit_behind_the_last_code_tells_of_more_than_one_flip() -> None:
    whole = packed(TEXT)
    behind = next(n for n in range(8 * len(whole) - 1, 0, -1) if n % 8 == 7)
    assert inflated(with_bit(whole, behind)) == TEXT  # it is no bit of a code
    damaged = with_bit(whole, 200)
    assert packed_suspects(damaged, zlib.crc32(TEXT), len(TEXT)).bits == (200,)
    assert not packed_suspects(with_bit(damaged, behind), zlib.crc32(TEXT), len(TEXT))


def test_what_goes_on_behind_its_end_does_not_fit() -> None:
    assert inflated(packed(TEXT) + b"\0") is None
    assert not packed_suspects(packed(TEXT) + b"\0", zlib.crc32(TEXT), len(TEXT)).bits


def test_many_bytes_that_inflate_to_few_are_as_much_work_as_they_take() -> None:
    """Each of 80 million trials would read five million bytes."""
    assert tried_nbytes(10_000_000, 1) > MOST_TRIED_NBYTES
    assert tried_nbytes(1, 1 << 34) > MOST_TRIED_NBYTES
    assert tried_nbytes(2_000, 4_000) < TRIED_BESIDE_NBYTES


def test_behind_what_cannot_be_inflated_nothing_is_tried() -> None:
    """A wrong code at the start is an error whatever follows."""
    wrong = b"\x07" + bytes(5000)  # a block of the type that there is none of
    assert calls(lambda: packed_suspects(wrong, 1, 5000)) < 100
