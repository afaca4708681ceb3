"""Two tensors against torch's own arithmetic, over every type and many shapes."""

from __future__ import annotations

import math
import tempfile
import warnings
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ckptdoctor.compare import compare
from ckptdoctor.difference import Difference, Movement
from tests.builders import DTYPES, QUANTIZED, UNCASTABLE, save, tensor_of
from tests.each import each

NAN, INF = math.nan, math.inf


def diff(folder: Path, a: torch.Tensor, b: torch.Tensor) -> Difference:
    first = save(folder / "a.pth", {"model": {"w": a}})
    return compare(first, save(folder / "b.pth", {"model": {"w": b}}))


def movement(folder: Path, a: torch.Tensor, b: torch.Tensor) -> Movement:
    (tensor,) = diff(folder, a, b).tensors
    return tensor.movement


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in UNCASTABLE])
@pytest.mark.one_in(3)
def test_every_type_equals_itself_and_differs_from_another(dtype: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that torch calls experimental
        a, b = tensor_of(dtype, 7, 5), tensor_of(dtype, 8, 5)[1:].clone()
    assert movement(tmp_path, a, a).changed == 0
    moved = movement(tmp_path, a, b)
    plain = [t.int_repr() if dtype in QUANTIZED else t for t in (a, b)]
    raw = [t.contiguous().view(torch.uint8).reshape(35, -1) for t in plain]
    if not raw[0].equal(raw[1]):
        assert moved.changed > 0


@each("dtype", UNCASTABLE)
def test_packed_bits_are_equal_or_not(dtype: str, tmp_path: Path) -> None:
    a = tensor_of(dtype, 6)
    assert movement(tmp_path, a, a).changed == 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["float32", "float64", "float16", "bfloat16"]),
    st.integers(1, 2000),
    st.integers(0, 2**31),
    st.booleans(),
    st.booleans(),
)
@pytest.mark.slow
def test_norms_are_torchs(dtype: str, numel: int, seed: int, dirty: bool, turned: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(numel, 3, generator=generator).to(getattr(torch, dtype))
    b = (a.float() + torch.randn(numel, 3, generator=generator) * 0.1).to(a.dtype)
    if dirty:
        a.view(-1)[::5], b.view(-1)[::7] = NAN, INF
    if turned:
        b = b.t().contiguous().t()
    with tempfile.TemporaryDirectory() as folder:
        found = movement(Path(folder), a, b)
    x, y = a.double(), b.double()
    both = x.isfinite() & y.isfinite()
    step = (y - x).where(both, 0.0)
    assert found.square_moved == pytest.approx(float(step.square().sum()), rel=1e-9)
    assert found.square_before == pytest.approx(float(x.where(both, 0.0).square().sum()), rel=1e-9)
    assert found.largest == pytest.approx(float(step.abs().max()), rel=1e-12)
    same = (x == y) | (x.isnan() & y.isnan())
    assert found.changed == int((~same).sum())
    assert found.new_nan == int((x.isfinite() & y.isnan()).sum())
    assert found.new_inf == int((x.isfinite() & y.isinf()).sum())
    assert found.mended == int((~x.isfinite() & y.isfinite()).sum())


def test_chunks_add_up(tmp_path: Path) -> None:
    a = torch.arange(3_000_001, dtype=torch.float32)
    b = a.clone()
    b[0] += 1
    b[1_500_000] += 2
    b[-1] = NAN
    found = movement(tmp_path, a, b)
    assert (found.numel, found.changed, found.new_nan) == (3_000_001, 3, 1)
    assert (found.square_moved, found.largest) == (5.0, 2.0)


@pytest.mark.parametrize("legacy", [False, True])
def test_views_expansions_and_shared_storages(legacy: bool, tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "rows": base[1:3],
        "columns": base[:, 1:3],
        "turned": base.t(),
        "expanded": base[:, :1].expand(4, 5),
        "scalar": base[0, 0],
        "empty": base[:0],
    }
    kind = {"_use_new_zipfile_serialization": not legacy}
    first = save(tmp_path / "a.pth", {"model": tensors}, **kind)
    plain = {name: tensor.contiguous() + 1 for name, tensor in tensors.items()}
    second = save(tmp_path / "b.pth", {"model": plain}, **kind)
    found = {t.fqn.rpartition(".")[2]: t.movement for t in compare(first, second).tensors}
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].square_moved == tensor.numel(), name
        assert found[name].square_before == pytest.approx(float(tensor.double().square().sum()))


def test_large_integers_do_not_look_equal(tmp_path: Path) -> None:
    a = torch.tensor([2**62, 5])
    assert movement(tmp_path, a, a + torch.tensor([1, 0])).changed == 1


def test_other_types_are_compared_by_value(tmp_path: Path) -> None:
    a = torch.tensor([1.0, 2.0, 1 / 3])
    found = movement(tmp_path, a, a.half())
    assert found.changed == 1
    assert found.largest == pytest.approx(abs(1 / 3 - float(torch.tensor(1 / 3).half())), rel=1e-3)
    assert movement(tmp_path, a, torch.complex(a, a)).changed == 3
