"""Sums of squares, held against torch itself; both ways to ask must say the same."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.scanning import pieces
from ckptdoctor.scanning.difference import Side
from ckptdoctor.scanning.norms import CHUNK_NUMEL, MEASURED, load_norms
from ckptdoctor.scanning.pieces import is_measured, squares_of
from ckptdoctor.scanning.spectrum import spectrum_of
from tests.builders import save
from tests.each import each

BACKENDS = ("libtorch", "eager")


def raw(values: torch.Tensor) -> bytes:
    return bytes(values.contiguous().untyped_storage())


@pytest.mark.parametrize("name", sorted(MEASURED))
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.one_in(3)
def test_sums_are_those_of_torch(backend: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", backend)
    norms, dtype = load_norms(), BY_NAME[name]
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(4321, generator=generator).to(getattr(torch, name)) for _ in range(2))
    exact, apart = one.double(), other.double() - one.double()
    assert norms.square(raw(one), dtype) == pytest.approx(float(exact.dot(exact)), rel=1e-5)
    moved = norms.square_moved(raw(one), raw(other), dtype)
    assert moved == pytest.approx(float(apart.dot(apart)), rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_overflows_float32_does_not_overflow_here(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", backend)
    norms, dtype = load_norms(), BY_NAME["float32"]
    large = torch.full((10,), 1e30)
    assert norms.square(raw(large), dtype) == pytest.approx(1e61, rel=1e-5)
    assert norms.square_moved(raw(large), raw(-large), dtype) == pytest.approx(4e61, rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_not_finite(
    bad: float, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", backend)
    assert not math.isfinite(load_norms().square(raw(torch.tensor([1.0, bad])), BY_NAME["float32"]))


@each("backend", BACKENDS)
@each("name", sorted(MEASURED))
def test_the_spectral_norm_comes_near(
    name: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", backend)
    matrix = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
    matrix = (matrix + 5 * torch.outer(matrix[:, 0], matrix[0])).to(getattr(torch, name))
    largest = float(torch.linalg.matrix_norm(matrix.double(), 2))
    found = load_norms().spectral(raw(matrix), BY_NAME[name], 20)
    assert found == pytest.approx(largest, rel=0.01)
    assert found <= largest * 1.0001


Open = Callable[[Path], tuple[list[TensorRecord], Side]]


@pytest.fixture
def records() -> Iterator[Open]:
    """Opens a file as long as the test lasts: its tensors, and where they are read from."""
    with contextlib.ExitStack() as stack:

        def open_one(path: Path) -> tuple[list[TensorRecord], Side]:
            file = stack.enter_context(opened(path))
            checkpoint = read_checkpoint(file)
            return list(checkpoint.tensors), Side(file.fd, checkpoint.byteorder)

        yield open_one


def test_a_long_tensor_is_looked_at_in_runs(
    records: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(5 * CHUNK_NUMEL, generator=torch.Generator().manual_seed(2))
    save(tmp_path / "a.pth", {"model": {"w": values}})
    save(tmp_path / "b.pth", {"model": {"w": values * 1.5}})
    (before, one), (after, other) = (records(tmp_path / name) for name in ("a.pth", "b.pth"))
    found = squares_of(load_norms(), other, after[0], (one, before[0]))
    assert found.numel == 4 * CHUNK_NUMEL
    assert found.moved is not None
    assert found.moved / found.own == pytest.approx((0.5 / 1.5) ** 2, rel=1e-4)
    monkeypatch.setattr(pieces, "_MOST_CHUNKS", 6)
    assert squares_of(load_norms(), other, after[0], None).numel == 5 * CHUNK_NUMEL


def test_a_tensor_of_another_shape_has_not_moved(records: Open, tmp_path: Path) -> None:
    save(tmp_path / "a.pth", {"model": {"w": torch.ones(4)}})
    save(tmp_path / "b.pth", {"model": {"w": torch.ones(5)}})
    (before, one), (after, other) = (records(tmp_path / name) for name in ("a.pth", "b.pth"))
    found = squares_of(load_norms(), other, after[0], (one, before[0]))
    assert (found.own, found.moved) == (5.0, None)


def test_transposed_tensors_are_measured_as_they_are(records: Open, tmp_path: Path) -> None:
    values = torch.arange(12.0).reshape(3, 4).t()
    save(tmp_path / "a.pth", {"model": {"w": values, "i": torch.ones(3, dtype=torch.int64)}})
    found_in, side = records(tmp_path / "a.pth")
    found = squares_of(load_norms(), side, found_in[0], None)
    assert found.own == float(values.square().sum())
    assert [is_measured(one) for one in found_in] == [True, False]


def test_dead_rows_are_counted(records: Open, tmp_path: Path) -> None:
    values = torch.ones(8, 3)
    values[2:4] = 0.0
    save(tmp_path / "a.pth", {"model": {"w": values}})
    found_in, side = records(tmp_path / "a.pth")
    assert spectrum_of(load_norms(), side, found_in[0]).dead == 0.25
