"""A cut file crashes nothing, is never healthy, and gives back every storage that it still holds.

``python -m tests.benchmarks.cuts`` cuts at every length; here are as many as there is time for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_inputs.cutting import cut, every_length
from tests.bad_inputs.each_format import EACH_FORMAT, Sample

SAMPLES = [pytest.param(sample, id=sample.name) for sample in EACH_FORMAT]


def hold(sample: Sample, folder: Path, lengths: list[int]) -> None:
    """Cut at these lengths, and demand what is promised."""
    cuts = cut(sample, folder, lengths)
    assert cuts.lengths == len(lengths)
    assert list(cuts.fallen()) == []
    assert cuts.present == cuts.rescued == cuts.verified > 0


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.one_in(3)
def test_a_cut_file_gives_back_what_it_holds(sample: Sample, tmp_path: Path) -> None:
    hold(sample, tmp_path, every_length(sample, most=50, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_so_does_a_file_cut_at_every_length(sample: Sample, tmp_path: Path) -> None:
    hold(sample, tmp_path, every_length(sample))
