"""Torch's library is loaded when there is enough to measure, and not before."""

from __future__ import annotations

import random
import struct
import threading

import pytest

from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.errors import UsageError
from ckptdoctor.scanning import gradual
from ckptdoctor.scanning.amount import FEW_NBYTES
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.eager import load_eager
from ckptdoctor.scanning.gradual import Gradual, kernels_for
from ckptdoctor.scanning.kernels import Kernels, Measurement
from ckptdoctor.scanning.libtorch import load_libtorch

FLOATS = BY_NAME["float32"]


class Counting:
    """Loads a backend, and counts how often."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self.count = 0

    def __call__(self) -> Kernels:
        self.count += 1
        return self.kernels


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.delenv("CKPTDOCTOR_BACKEND", raising=False)
    monkeypatch.setattr(gradual, "is_preloaded", lambda: False)
    return Counting(load_libtorch())


def floats(numel: int) -> memoryview:
    chance = random.Random(numel)
    return memoryview(
        bytearray(struct.pack(f"<{numel}f", *(chance.random() for _ in range(numel))))
    )


def test_few_elements_load_nothing(load: Counting) -> None:
    worker = kernels_for(load).worker()
    for numel in range(1, 500):
        elements = floats(numel)
        values = elements.cast("f").tolist()
        assert worker.measure(elements, FLOATS) == Measurement(min=min(values), max=max(values))
    assert load.count == 0


def test_many_load_the_backend_once_for_all_threads(load: Counting) -> None:
    kernels = kernels_for(load)
    workers = [kernels.worker(), kernels.worker()]
    elements = floats(25_000)
    expected = Measurement(min=min(elements.cast("f")), max=max(elements.cast("f")))
    for _ in range(FEW_NBYTES // len(elements) + 1):
        assert workers[0].measure(elements, FLOATS) == expected
    assert load.count == 1
    assert workers[1].measure(elements, FLOATS) == expected
    assert load.count == 1
    assert kernels.name == "libtorch"


def test_one_long_tensor_loads_it_at_once(load: Counting) -> None:
    worker = kernels_for(load).worker()
    elements = floats(40_000)
    assert worker.measure(elements, FLOATS).min == min(elements.cast("f"))
    assert load.count == 1


def test_rows_count_by_their_bytes(load: Counting) -> None:
    worker = kernels_for(load).worker()
    rows = floats(1 << 20)
    assert worker.rows(rows, FLOATS, 4, 8) == (
        [min(rows.cast("f")[at : at + 8]) for at in (0, 8, 16, 24)],
        [max(rows.cast("f")[at : at + 8]) for at in (0, 8, 16, 24)],
    )
    assert load.count == 0


def test_many_short_tensors_together_are_no_long_one(load: Counting) -> None:
    """A small model is measured before the library would be loaded."""
    worker = kernels_for(load).worker()
    rows = floats(100 * 1024)
    low, high = worker.rows(rows, FLOATS, 100, 1024)
    assert (min(low), max(high)) == (min(rows.cast("f")), max(rows.cast("f")))
    assert load.count == 0


def test_a_backend_that_measures_one_at_a_time_is_asked_in_turn() -> None:
    kernels = Gradual(load_eager)
    worker = kernels.worker()
    elements = floats(40_000)
    assert worker.measure(elements, FLOATS).min == min(elements.cast("f"))
    found: list[int] = []
    other = threading.Thread(
        target=lambda: found.append(worker.count_magnitude(elements, FLOATS, 0))
    )
    with kernels.turn():
        other.start()
        other.join(0.05)
        assert found == [], "it waits until the first has done"
    other.join()
    assert found == [0]


@pytest.mark.parametrize("backend", ["libtorch", "eager"])
def test_a_backend_that_is_asked_for_measures_everything(
    load: Counting, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", backend)
    assert kernels_for(load_kernels).name == backend
    assert not isinstance(kernels_for(load), Gradual)


def test_a_backend_that_is_not_there_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKPTDOCTOR_BACKEND", "abacus")
    with pytest.raises(UsageError, match="abacus"):
        kernels_for(load_kernels)


def test_what_is_on_its_way_is_used(load: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "is_preloaded", lambda: True)
    assert kernels_for(load) is load.kernels
