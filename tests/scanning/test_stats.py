"""The statistics of whole state dicts against torch's own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.scanning.kernels import Measurement
from ckptdoctor.scanning.plan import Piece, StorageScan
from ckptdoctor.scanning.stats import collect_stats
from tests.builders import save
from tests.cases import record
from tests.scanning.builders import backends, elements, scan_tensors, stats_of

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"),
    *("complex64", "int8", "int16", "int64", "uint8"),
)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[torch.Tensor, str]:
    """A tensor of any bits that lies in its storage in any way."""
    name = draw(st.sampled_from(DTYPES))
    raw = draw(elements(BY_NAME[name]))
    base = torch.frombuffer(bytearray(raw), dtype=getattr(torch, name))
    rows = draw(st.sampled_from([size for size in (1, 2, 3, 5, 7) if size <= base.numel()]))
    columns = min(base.numel() // rows, 60)
    tensor = base[: rows * columns].reshape(rows, columns)
    match draw(st.integers(0, 6)):
        case 0:
            tensor = tensor.t()
        case 1:
            tensor = tensor[:, :: draw(st.integers(1, 4))]
        case 2:
            tensor = tensor[draw(st.integers(0, rows - 1)) :, draw(st.integers(0, columns - 1)) :]
        case 3:
            tensor = tensor[:1].expand(4, columns)
        case 4:
            tensor = tensor.reshape(-1)[draw(st.integers(0, rows * columns - 1))]
        case 5:
            tensor = tensor[:, : draw(st.integers(0, columns))].unsqueeze(1)
        case _:
            pass
    return tensor, name


def check(found: list[tuple[torch.Tensor, str]], *, legacy: bool, jobs: int) -> None:
    state = {f"t{at}": tensor for at, (tensor, _) in enumerate(found)}
    expected = {
        f"t{at}": stats_of(f"t{at}", tensor, name)
        for at, (tensor, name) in enumerate(found)
        if tensor.numel()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, "a.pt"), state, _use_new_zipfile_serialization=not legacy)
        for kernels in backends():
            assert scan_tensors(path, jobs=jobs, kernels=kernels) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(tensors(), min_size=1, max_size=4), st.sampled_from([1, 4]))
def test_the_statistics_of_any_state_dict_are_torchs(
    found: list[tuple[torch.Tensor, str]], jobs: int
) -> None:
    check(found, legacy=False, jobs=jobs)


@pytest.mark.fuzz
@settings(max_examples=1500, deadline=None)
@given(st.lists(tensors(), min_size=1, max_size=6), st.booleans(), st.sampled_from([1, 4]))
def test_the_statistics_of_any_state_dict_are_torchs_at_length(
    found: list[tuple[torch.Tensor, str]], legacy: bool, jobs: int
) -> None:
    if legacy:
        found = [(tensor, name) for tensor, name in found if not name.startswith("float8")]
    check(found, legacy=legacy, jobs=jobs)


def test_a_tensor_that_is_expanded_shows_a_bad_element_many_times() -> None:
    ref = record("x", (3,)).storage
    assert ref is not None
    bad = Measurement(nan=1, posinf=1, min=0.0, max=0.0, first_bad=1)
    scan = StorageScan(ref, BY_NAME["float32"], check_crc=False)
    scan.pieces = [Piece(0, 12, BY_NAME["float32"], measurement=bad)]
    scan.add(record("x", (4, 3, 2), stride=(0, 1, 0), storage=ref))
    ((fqn, stats),) = collect_stats(scan)
    assert (fqn, stats.numel, stats.nan, stats.posinf) == ("x", 24, 8, 8)
    assert stats.first_bad_index == (0, 1, 0)
