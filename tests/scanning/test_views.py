"""Views with gaps: only the elements that they show count, whatever the strides."""

from __future__ import annotations

import itertools
import math
import struct
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.checkpoint import Role, StorageRef, TensorRecord
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.scanning import views
from ckptdoctor.scanning.eager import load_eager
from ckptdoctor.scanning.kernels import Measurement
from ckptdoctor.scanning.plan import CHUNK_NBYTES
from ckptdoctor.scanning.reading import FileShrankError, read_into
from ckptdoctor.scanning.views import measure_view
from tests.cases import record
from tests.scanning.builders import measured

NUMEL = 4000
WORKER = load_eager().worker()


def ask(view: memoryview) -> Measurement:
    return WORKER.measure(view, BY_NAME["float32"])


def measure(
    values: list[float], shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Measurement | None:
    with tempfile.TemporaryFile() as file:
        file.write(b"pad" + struct.pack(f"<{len(values)}f", *values))
        file.flush()
        ref = StorageRef(key="x", offset=3, nbytes=4 * len(values))
        view = record("x", shape, stride=stride, storage_offset=offset, storage=ref)
        return measure_view(view, file.fileno(), memoryview(bytearray(CHUNK_NBYTES)), ask)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shape, stride and offset of a view that stays inside the storage; overlaps allowed."""
    shape: list[int] = []
    stride: list[int] = []
    room = NUMEL - 1
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.integers(1, 40) | st.integers(1, max(1, room // 2)))
        if step <= room:
            size = draw(st.integers(2, min(1 + room // step, 12 if shape else 900)))
            shape.append(size)
            stride.append(step)
            room -= (size - 1) * step
    order = draw(st.permutations(range(len(shape))))
    shape, stride = [shape[at] for at in order], [stride[at] for at in order]
    return tuple(shape), tuple(stride), draw(st.integers(0, room))


@settings(max_examples=60, deadline=None)
@given(shapes(), st.lists(st.integers(0, NUMEL - 1), max_size=40), st.integers(1, 4000))
@pytest.mark.slow
def test_any_view_is_measured_as_by_a_loop(
    where: tuple[tuple[int, ...], tuple[int, ...], int], bad: list[int], chunk: int
) -> None:
    shape, stride, offset = where
    values = [float(at) for at in range(NUMEL)]
    for at in bad:
        values[at] = (math.nan, math.inf, -math.inf)[at % 3]
    places = sorted(
        sum(place * step for place, step in zip(index, stride, strict=True))
        for index in itertools.product(*map(range, shape))
    )
    expected = measured([values[offset + place] for place in places])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "CHUNK_NBYTES", 4 * chunk)
        found = measure(values, shape, stride, offset)
    assert found is not None
    assert found[:5] == expected[:5]
    assert (found.first_bad is None) == (expected.first_bad is None)
    if found.first_bad is not None:
        assert found.first_bad in places
        assert not math.isfinite(values[offset + found.first_bad])
        if len(set(places)) == len(places) and expected.first_bad is not None:
            reach, nested = 0, True
            for step, size in sorted(zip(stride, shape, strict=True)):
                nested = nested and reach < step
                reach += (size - 1) * step
            if nested:
                assert found.first_bad == places[expected.first_bad]


def test_short_rows_come_by_few_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def counted(buffer: memoryview, fd: int, offset: int) -> None:
        reads.append(len(buffer))
        read_into(buffer, fd, offset)

    monkeypatch.setattr(views, "read_into", counted)
    assert measure([0.0] * NUMEL, (1000, 3), (4, 1), 0) is not None
    assert len(reads) == 1


def test_a_file_that_ends_too_soon_is_told() -> None:
    for shape, stride in (((3, 2), (3000, 1)), ((9000,), (2,)), ((900, 2), (9, 1))):
        with pytest.raises(FileShrankError):
            measure([0.0] * NUMEL, shape, stride, 0)


def test_what_would_take_too_many_reads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_MAX_READS", 2)
    assert measure([0.0] * NUMEL, (3, 900), (1000, 1), 0) is None
    assert measure([0.0] * NUMEL, (2, 900), (1000, 1), 0) is not None


def test_views_share_the_reads_of_their_file() -> None:
    view = TensorRecord(
        fqn="w",
        dtype="float32",
        shape=(2,) * 17,
        stride=(1,) * 16 + (3,),
        storage_offset=0,
        storage=StorageRef(key="0", offset=0, nbytes=400),
        role=Role.MODEL,
    )
    budget = views.Budget(1000)
    assert [budget.allows(view) for _ in range(4)] == [True, False, False, False]
