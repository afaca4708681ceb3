"""A flipped bit crashes nothing, and passes unseen in no file with checksums.

``python -m tests.benchmarks.flips`` flips every bit; here are as many as there is time for.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.formats import Limits, safetensors
from ckptdoctor.formats.open_file import OpenFile
from tests.bad_inputs.each_format import EACH_FORMAT, Sample
from tests.bad_inputs.flipping import Outcome, every_bit, tallied
from tests.each import each

ELEMENT = struct.pack("<f", 2.75)  # stands in a.weight and nowhere else
SAMPLES = [pytest.param(sample, id=sample.name) for sample in EACH_FORMAT]


def hold(sample: Sample, folder: Path, bits: list[int]) -> None:
    """Flip these bits, and demand what is promised."""
    tally = tallied(sample, folder, bits)
    assert tally.flips == len(bits)
    fallen = [flip for flip in tally.worst if sample.checked or flip.outcome is Outcome.CRASHED]
    assert fallen == []
    assert tally.counts[Outcome.REPORTED] > len(bits) // 20


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.one_in(4)
def test_a_flipped_bit_is_noticed(sample: Sample, tmp_path: Path) -> None:
    hold(sample, tmp_path, every_bit(sample, most=60, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_many_flipped_bits_are_noticed(sample: Sample, tmp_path: Path) -> None:
    hold(sample, tmp_path, every_bit(sample, most=4000, seed=2))


# -- the sorting itself --------------------------------------------------------------------------


STORED = [pytest.param(one, id=one.name) for one in EACH_FORMAT if ELEMENT in one.data]


@each("sample", STORED)
def test_a_flip_in_a_weight_counts_as_a_change(sample: Sample, tmp_path: Path) -> None:
    tally = tallied(sample, tmp_path, [8 * sample.data.index(ELEMENT)])
    expected = Outcome.REPORTED if sample.checked else Outcome.SILENT
    assert dict(tally.counts) == {expected: 1}


def test_what_torch_alone_notices_counts_as_a_change(tmp_path: Path) -> None:
    """Our reader has no use for the record ``version``, and torch refuses one of "s"."""
    (sample,) = [one for one in EACH_FORMAT if one.name == "zip without CRCs"]
    version = sample.data.index(b"3\nPK\x07\x08")
    tally = tallied(sample, tmp_path, [8 * version + 6])
    assert dict(tally.counts) == {Outcome.SILENT: 1}


def test_a_crash_is_counted_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sample,) = [one for one in EACH_FORMAT if one.name == "safetensors"]
    real = safetensors.read_safetensors
    answers = iter((real, None))

    def failing(file: OpenFile, limits: Limits) -> Checkpoint:
        answer = next(answers)
        assert answer is not None, "a bug of ours"
        return answer(file, limits)

    monkeypatch.setattr(safetensors, "read_safetensors", failing)
    (flip,) = tallied(sample, tmp_path, [8 * 100]).worst
    assert flip.outcome is Outcome.CRASHED
    assert "a bug of ours" in flip.says
