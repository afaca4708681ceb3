"""The bench of repairs in small: every flip is found, and nothing else is written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks.bit_repair import (
    DAMAGE,
    PACKED_DAMAGE,
    damages,
    flips,
    packed_flips,
    without_checksums,
)
from tests.benchmarks.bit_repair_samples import KINDS, packed_samples, sample


@pytest.mark.slow
def test_flips_are_found_and_other_damage_is_refused(tmp_path: Path) -> None:
    pool = [sample(tmp_path, kind, 1 << 10 + 3 * at) for at, kind in enumerate(KINDS[:4])]
    single = flips(pool, tmp_path, 12, random.Random(0))
    for where in ("record", "elsewhere"):
        assert single[where, "found"] == single[where, "sha256"] == single[where, "all"]
        assert single[where, "wrong"] == 0
    other = damages(pool, tmp_path, 5 * len(DAMAGE), random.Random(0))
    assert sum(many for (_, what), many in other.items() if what == "refused") > 20
    assert sum(many for (_, what), many in other.items() if what == "false") == 0


@pytest.mark.slow
def test_of_compressed_records_too(tmp_path: Path) -> None:
    pool = packed_samples(tmp_path)
    single = packed_flips(pool, tmp_path, 6, random.Random(0))
    assert single["packed", "found"] == single["packed", "sha256"] == single["packed", "all"] > 3
    assert single["packed", "wrong"] == 0
    other = damages(pool, tmp_path, 6, random.Random(0), PACKED_DAMAGE)
    assert sum(many for (_, what), many in other.items() if what == "refused") > 4
    assert sum(many for (_, what), many in other.items() if what == "false") == 0


def test_formats_without_checksums_say_so(tmp_path: Path) -> None:
    assert all("stores no checksum" in says for _, says in without_checksums(tmp_path))
