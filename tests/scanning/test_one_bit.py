"""One flipped bit in words: where it is, and how often other damage looks the same."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.formats.zip.flipped_bit import odds_of_chance
from ckptdoctor.scanning.one_bit import one_bit

_OFTEN = "other damage looks like that in 1 of"


@pytest.fixture
def explained(tmp_path: Path) -> Callable[..., tuple[str, dict[str, Any]]]:
    """What is said of a record of these bytes in which one bit was flipped."""

    def explain(whole: bytes, *, packed: bool = False) -> tuple[str, dict[str, Any]]:
        stored = bytearray(whole)
        if packed:
            stored = bytearray(zlib.compress(whole, wbits=-15))
        stored[20] ^= 1 << 3
        path = tmp_path / "record"
        path.write_bytes(stored)
        ref = StorageRef(
            key="0",
            offset=0,
            nbytes=len(whole),
            crc32=zlib.crc32(whole),
            deflated_nbytes=len(stored) if packed else None,
        )
        fd = os.open(path, os.O_RDONLY)
        try:
            told = one_bit(fd, ref, None if packed else zlib.crc32(stored), [], "little")
        finally:
            os.close(fd)
        assert told is not None
        return told

    return explain


def test_of_few_bytes_it_is_as_good_as_sure_and_of_many_the_odds_are_told(
    explained: Callable[..., tuple[str, dict[str, Any]]],
) -> None:
    few, of_few = explained(bytes(range(200)))
    assert few == "one bit is wrong, bit 3 of byte 20"
    assert (of_few["flipped_byte"], of_few["flipped_bit"]) == (20, 3)
    many, of_many = explained(bytes(60_000))
    assert _OFTEN in many
    assert of_many["odds"] == odds_of_chance(60_000) > of_few["odds"]


def test_of_compressed_bytes_the_odds_are_of_those_that_are_stored(
    explained: Callable[..., tuple[str, dict[str, Any]]],
) -> None:
    words = " ".join(str(number * number % 9973) for number in range(12_000)).encode()
    told, evidence = explained(words[:400] * 10, packed=True)
    assert "bit 3 of byte 20" in told
    assert evidence["odds"] < odds_of_chance(4_000) / 3
