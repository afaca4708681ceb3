"""The place of a flipped bit, held against zlib's own CRC32."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from ckptdoctor.formats.zip.flipped_bit import (
    ORDER,
    Suspects,
    exponent_of,
    odds_of_chance,
    suspects_of,
)
from tests.costs import calls

LARGE = 1_200_000_000


@given(data=st.binary(min_size=1, max_size=5000), chosen=st.integers(min_value=0))
def test_a_flipped_bit_is_found(data: bytes, chosen: int) -> None:
    number = chosen % (8 * len(data))
    flipped = bytearray(data)
    flipped[number // 8] ^= 1 << number % 8
    found = suspects_of(zlib.crc32(data), zlib.crc32(flipped), len(data))
    assert found == Suspects(bits=(number,))


@given(data=st.binary(min_size=1, max_size=200), bit=st.integers(0, 31))
def test_a_flipped_bit_of_the_checksum_is_none_of_the_data(data: bytes, bit: int) -> None:
    right = zlib.crc32(data)
    assert suspects_of(right ^ 1 << bit, right, len(data)) == Suspects(checksum_bit=bit)


def test_equal_checksums_suspect_nothing() -> None:
    assert not suspects_of(7, 7, 100)


@given(data=st.binary(min_size=8, max_size=64), places=st.sets(st.integers(0, 511), min_size=2))
def test_what_is_found_for_two_bits_and_more_would_make_the_checksum_fit(
    data: bytes, places: set[int]
) -> None:
    flipped = bytearray(data)
    for number in places:
        flipped[number // 8 % len(data)] ^= 1 << number % 8
    found = suspects_of(zlib.crc32(data), zlib.crc32(flipped), len(data))
    for number in found.bits:
        flipped[number // 8] ^= 1 << number % 8
        assert zlib.crc32(flipped) == zlib.crc32(data)


@pytest.mark.parametrize("byte", [0, 1, LARGE // 2, LARGE - 600_000_000, LARGE - 1])
def test_beyond_512_mb_each_bit_that_explains_it_is_named(byte: int) -> None:
    stored, computed = _large(byte, 0), _large(byte, 8)
    found = suspects_of(stored, computed, LARGE)
    assert 8 * byte + 3 in found.bits
    assert list(found.bits) == sorted(found.bits)
    assert len(found.bits) == len(range(found.bits[0] % ORDER, 8 * LARGE, ORDER))
    assert all((one - found.bits[0]) % ORDER == 0 for one in found.bits)


def _large(byte: int, value: int) -> int:
    """The CRC32 of 1.2 GB of zeros but for one byte, by zlib's arithmetic of joined pieces."""
    total = 0
    for piece, nbytes in ((0, byte), (value, 1), (0, LARGE - byte - 1)):
        crc = zlib.crc32(bytes([piece])) if nbytes == 1 else _zeros(nbytes)
        total = zlib_ng.crc32_combine(total, crc, nbytes)
    return total


def _zeros(nbytes: int) -> int:
    crc, known, size = 0, zlib.crc32(b"\0"), 1
    while nbytes:
        if nbytes & 1:
            crc = zlib_ng.crc32_combine(crc, known, size)
        known, size, nbytes = zlib_ng.crc32_combine(known, known, size), 2 * size, nbytes >> 1
    return crc


def test_x_generates_all_that_is_not_zero() -> None:
    """Powers in all the groups that the order is made of: were x not primitive, one would be 1."""
    assert [exponent_of(1 << bit) for bit in (31, 30, 29)] == [0, 1, 2]
    for divisor in (3, 5, 17, 257, 65_537):
        assert exponent_of(_power(ORDER // divisor)) == ORDER // divisor


def _power(exponent: int) -> int:
    """x to an exponent, bit by bit and by no function of ours: the CRC of a one before zeros."""
    zeros = (exponent - 32) // 8
    rest = (exponent - 32) % 8
    one = _joined(bytes([1 << 7 - rest]), zeros)
    return one ^ _joined(b"\0", zeros)


def _joined(first: bytes, zeros: int) -> int:
    return zlib_ng.crc32_combine(zlib.crc32(first), _zeros(zeros), zeros)


def test_the_odds_are_those_of_a_guess() -> None:
    assert odds_of_chance(100_000_000) == pytest.approx(0.19, rel=0.03)
    assert odds_of_chance(16 << 20) == pytest.approx(1 / 32, rel=0.01)
    assert odds_of_chance(1 << 30) == 1.0


def test_it_takes_a_few_hundred_products() -> None:
    exponent_of(12345)  # tables are made once
    assert calls(lambda: exponent_of(0xDEAD_BEEF)) < 2_000
