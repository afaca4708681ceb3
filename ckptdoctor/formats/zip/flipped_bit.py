"""Which single bit explains that bytes do not fit their CRC32.

A CRC is the message as a polynomial over GF(2), times x^32, modulo one of degree 32. So bytes with
one flipped bit have a checksum that differs by x^(d + 32), where d counts the bits behind it. x
generates all 2^32 - 1 elements that are not zero, because the polynomial of CRC-32 is primitive:
the discrete logarithm of the difference is the place of the bit. 2^32 - 1 is 3 · 5 · 17 · 257 ·
65537, so Pohlig and Hellman find it in small groups, the first three taken as one, and baby steps
and giant steps in the largest of these.

Sources: W. W. Peterson, D. T. Brown, "Cyclic codes for error detection", Proc. IRE 49 (1961);
S. Pohlig, M. Hellman, IEEE Trans. Inf. Theory 24 (1978); D. Shanks, Proc. Symp. Pure Math. 20
(1971). The polynomial, lowest bit first: ISO/IEC 8802-3 (Ethernet), PKWARE APPNOTE 4.4.7.
"""

from __future__ import annotations

from functools import cache

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["MOST_ODDS", "ORDER", "Suspects", "exponent_of", "odds_of_chance", "suspects_of"]

ORDER = (1 << 32) - 1
"""How many powers of x there are: so many bits are told apart."""
MOST_ODDS = 1e-4
"""So rarely may other damage look like one flipped bit where that is called decided."""

_POLYNOMIAL = 0xEDB8_8320  # x^32 itself, as all others here with the coefficient of x^0 highest
_ONE, _X = 1 << 31, 1 << 30
_GROUPS = (3 * 5 * 17, 257, 65_537)
_MOST_STEPS = 1024


@dataclass(frozen=True, slots=True)
class Suspects:
    """What alone may be wrong where bytes and checksum differ.

    Attributes:
        bits: in the bytes, counted from the lowest bit of the first; the earliest first. More than
            one only beyond 512 MB.
        checksum_bit: in the checksum itself, counted from its lowest; None where it is none.
    """

    bits: tuple[int, ...] = ()
    checksum_bit: int | None = None

    def __bool__(self) -> bool:
        return bool(self.bits) or self.checksum_bit is not None


def suspects_of(stored: int, computed: int, nbytes: int) -> Suspects:
    """The single bits, each of which alone explains the difference; none where several are wrong.

    Args:
        stored: the CRC32 that the bytes had.
        computed: the one that they have.
        nbytes: how many there are.
    """
    difference = stored ^ computed
    if not difference:
        return Suspects()
    exponent, nbits = exponent_of(difference), 8 * nbytes
    first = exponent - 32 if exponent >= 32 else exponent - 32 + ORDER
    behind = range(first, nbits, ORDER)
    in_checksum = 31 - exponent if exponent < 32 else None
    return Suspects(tuple(nbits - 1 - many for many in reversed(behind)), in_checksum)


def odds_of_chance(nbytes: int) -> float:
    """The probability that damage of any other kind looks like one bit of so many bytes."""
    return min(1.0, (8 * nbytes + 32) / ORDER)


def exponent_of(power: int) -> int:
    """The discrete logarithm: n in ``range(ORDER)`` with x^n equal to ``power``.

    Args:
        power: not zero; bit 31 is the coefficient of x^0, as in a CRC32.
    """
    found = 0
    for order in _GROUPS:
        others = ORDER // order
        found += _in_group(order, _to_the(power, others)) * others * pow(others, -1, order)
    return found % ORDER


def _in_group(order: int, power: int) -> int:
    """The logarithm in the group of an order, to the base of its generator."""
    steps, back = _steps(order)
    for many in range(order // len(steps) + 1):
        if (step := steps.get(power)) is not None:
            return many * len(steps) + step
        power = _mapped(back, power)
    raise AssertionError("unreachable: x is primitive")


@cache
def _steps(order: int) -> tuple[dict[int, int], _Map]:
    """The first powers of a group's generator, and the factor that goes back over them."""
    generator, power = _to_the(_X, ORDER // order), _ONE
    steps: dict[int, int] = {}
    for step in range(min(order, _MOST_STEPS)):
        steps[power] = step
        power = _times(power, generator)
    back = _to_the(power, order - 1)
    return steps, _map([_times(1 << bit, back) for bit in range(32)])


def _to_the(base: int, exponent: int) -> int:
    power, squared = _ONE, _squared()
    while exponent:
        if exponent & 1:
            power = _times(power, base)
        base = _mapped(squared, base)
        exponent >>= 1
    return power


def _times(one: int, other: int) -> int:
    """The product modulo the polynomial."""
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = (one << 1) & 0xFFFF_FFFF
        other = (other >> 1) ^ _POLYNOMIAL if other & 1 else other >> 1
    return product


_Map = tuple[tuple[int, ...], ...]
"""A linear map: what it makes of each byte, the lowest first."""


@cache
def _squared() -> _Map:
    """Squaring, which is linear where one and one are nothing."""
    return _map([_times(1 << bit, 1 << bit) for bit in range(32)])


def _map(images: list[int]) -> _Map:
    """The linear map that makes these of the single bits, the lowest first."""
    tables = []
    for first in range(0, 32, 8):
        table = [0]
        for image in images[first : first + 8]:
            table += [image ^ before for before in table]
        tables.append(tuple(table))
    return tuple(tables)


def _mapped(tables: _Map, power: int) -> int:
    lowest, second, third, highest = tables
    return (
        lowest[power & 255]
        ^ second[power >> 8 & 255]
        ^ third[power >> 16 & 255]
        ^ highest[power >> 24]
    )
