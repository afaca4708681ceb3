"""A remembered result equals a fresh one: every kind of input, sound and damaged, every command.

The oracle is the same command with --no-cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bad_inputs.catalogue import ALL_KINDS
from tests.bad_inputs.each_format import EACH_FORMAT, Sample
from tests.bad_inputs.kind import Kind
from tests.bad_inputs.running import called, made
from tests.builders import save
from tests.cache.support import counted, no_answers, settled
from tests.cli.support import make_run
from tests.layouts.folders import TWINS
from tests.layouts.folders.truth import Layout

COMMANDS = (("scan", "--format", "json"), ("rank", "--format", "json"), ("scan", "-v"), ("plan",))


def same_answers(
    paths: Sequence[Path], commands: Sequence[Sequence[str]] = COMMANDS
) -> tuple[int, int]:
    """How many files were read the first time, and how many the second; all answers are equal."""
    first, *rest = commands
    with settled(), no_answers():
        fresh = {command: called(*command, *paths, "--no-cache")[:2] for command in commands}
        with counted() as reads:
            assert called(*first, *paths)[:2] == fresh[first]
        with counted() as again:
            told = {command: called(*command, *paths)[:2] for command in (first, *rest)}
    assert told == fresh
    return len(reads), len(again) // len(commands)


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
@pytest.mark.one_in(30)
def test_of_a_bad_input(kind: Kind, tmp_path: Path) -> None:
    if why := kind.why_not():
        pytest.skip(why)
    inside = tmp_path / "outputs" / "checkpoints"
    inside.mkdir(parents=True)
    same_answers([made(kind, inside)], COMMANDS[:1])


@pytest.mark.parametrize("sample", EACH_FORMAT, ids=lambda sample: sample.name)
@pytest.mark.one_in(4)
def test_of_each_format(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "model_3.pth").write_bytes(sample.data)
    read, again = same_answers([tmp_path])
    assert read == 1
    assert again == 0


@pytest.mark.parametrize("layout", TWINS, ids=lambda layout: layout.name)
@pytest.mark.one_in(24)
def test_of_checkpoints_of_several_files(layout: Layout, tmp_path: Path) -> None:
    layout.build(tmp_path)
    read, again = same_answers([tmp_path], (COMMANDS[0], ("history", "--format", "json")))
    assert again < read


def test_of_a_run_with_a_file_of_nan_and_a_page(tmp_path: Path) -> None:
    make_run(tmp_path)
    read, again = same_answers([tmp_path], COMMANDS[:3])
    assert (read, again) == (5, 1)  # what is no checkpoint is looked at each time


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["val_loss", "12", "3.5e-2", "min", "\ud800", "x" * 300]),
)
KEYS = st.sampled_from("epoch global_step best_iou lr monitor name val_loss note args".split())
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -65504.0, math.inf, -math.inf, math.nan, 3.4e38, 1e-45])
DTYPES = st.sampled_from(
    [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]
)


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    values=st.dictionaries(KEYS, VALUES, max_size=6),
    tensors=st.lists(st.tuples(DTYPES, st.lists(NUMBERS, max_size=5)), max_size=4),
)
def test_of_whatever_a_script_saves(
    values: dict[str, object],
    tensors: list[tuple[torch.dtype, list[float]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    weights = {
        f"layer{at}.weight": torch.tensor([0.0 if dtype is torch.int64 else n for n in numbers])
        .to(dtype)
        .clone()
        for at, (dtype, numbers) in enumerate(tensors)
    }
    save(folder / "model_1.pth", {"model_state_dict": weights, **values})
    save(folder / "model_2.pth", {"model_state_dict": weights, "callbacks": {"c": values}})
    same_answers([folder], (COMMANDS[0], ("history", "--format", "json")))


def test_scan_history_rank_and_plan_read_the_bytes_once(tmp_path: Path) -> None:
    make_run(tmp_path)
    (tmp_path / "download.pth").unlink()
    with settled(), no_answers():
        with counted() as reads:
            called("scan", tmp_path)
        assert len(reads) == len(set(reads)) == 4
        with counted() as more:
            for command in ("history", "rank", "scan"):
                _, out, err = called(command, tmp_path)
                assert out
                assert "4 of 4 files remembered, read " in err
        assert more == []
        # a plan looks into headers, for stored arguments, which are not kept; at no tensor
        with mock.patch("ckptdoctor.measure.Scanner.submit", side_effect=AssertionError):
            code, out, err = called("plan", tmp_path)
    assert (code, "4 of 4 files remembered, read " in err) == (0, True)
    assert out
