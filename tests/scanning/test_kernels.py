"""Both backends, and Python alone, against a loop over the elements, and against each other."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.errors import UsageError
from ckptdoctor.scanning import eager, libtorch, preload
from ckptdoctor.scanning.backends import BACKEND_VARIABLE, load_kernels, self_test
from ckptdoctor.scanning.eager import Eager, load_eager
from ckptdoctor.scanning.kernels import (
    EMPTY,
    BackendUnavailableError,
    Extremes,
    Kernels,
    Measurement,
    Worker,
    merge,
)
from ckptdoctor.scanning.libtorch import load_libtorch
from ckptdoctor.scanning.plain import PlainWorker
from ckptdoctor.scanning.plan import Piece
from ckptdoctor.scanning.rows import ROW_NBYTES, Rows, note_finite
from tests.each import each
from tests.scanning.builders import (
    backends,
    bad_bits,
    components,
    elements,
    finite_bits,
    measured,
    naive,
    packed,
)

WORKERS: dict[str, Worker] = {kernels.name: kernels.worker() for kernels in backends()}
WORKERS["plain"] = PlainWorker()
ALL_DTYPES = sorted(BY_NAME)
REAL_DTYPES = sorted(
    name for name, dtype in BY_NAME.items() if dtype.kind in (Kind.FLOAT, Kind.EXPONENT)
)


def ask(backend: str, raw: bytes, dtype: DType, offset: int = 0) -> Measurement:
    """One backend's answer on elements that start somewhere in a buffer."""
    buffer = memoryview(bytearray(offset) + bytearray(raw))[offset:]
    return WORKERS[backend].measure(buffer, dtype)


# -- rows ---------------------------------------------------------------------------------------


def in_rows(dtype: DType, raw: bytes, backend: str, copies: int) -> list[Measurement | None]:
    """What a thread notes of pieces that are measured together; None where it asks again."""
    rows, kept = Rows(), []
    for turn in range(copies):
        end = len(raw) - turn % max(1, len(raw) // dtype.itemsize) * dtype.itemsize
        piece = Piece(0, end, dtype)
        assert rows.take(piece, memoryview(bytearray(raw[:end])))
        kept.append(piece)
    again: set[int] = set()
    for kind, batch in rows.batches():
        matrix = rows.matrix(kind, batch)
        if matrix is None:
            again.update(id(piece) for piece, _ in batch)
            continue
        found = WORKERS[backend].rows(matrix, dtype, len(batch), kind.width)
        again.update(id(piece) for piece, _ in note_finite(kind, batch, found))
    return [None if id(piece) in again else piece.measurement for piece in kept]


ROW_DTYPES = sorted(
    name
    for name, dtype in BY_NAME.items()
    if dtype.kind in (Kind.FLOAT, Kind.SIGNED)
    or (dtype.kind is Kind.UNSIGNED and dtype.itemsize == 1)
)


@pytest.mark.parametrize("backend", WORKERS)
@pytest.mark.parametrize("name", ROW_DTYPES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.one_in(4)
def test_rows_are_measured_as_a_loop_measures_them(
    name: str, backend: str, data: st.DataObject
) -> None:
    dtype = BY_NAME[name]
    raw = data.draw(elements(dtype))[: ROW_NBYTES // 8 * 8]
    copies = data.draw(st.sampled_from([3, 5, 40]))
    measured_so = in_rows(dtype, raw, backend, copies)
    asked_again = 0
    for turn, found in enumerate(measured_so):
        end = len(raw) - turn % max(1, len(raw) // dtype.itemsize) * dtype.itemsize
        if found is None:
            asked_again += 1
            continue
        assert found == naive(raw[:end], dtype)
    truth = naive(raw, dtype)
    largest = max(abs(truth.min or 0), abs(truth.max or 0))
    if copies == 40 and truth.first_bad is None and largest < min(dtype.saturations, default=1e999):
        assert asked_again < copies


# -- the numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL_DTYPES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
@pytest.mark.one_in(3)
def test_both_backends_count_what_a_loop_counts(name: str, data: st.DataObject) -> None:
    dtype = BY_NAME[name]
    raw = data.draw(elements(dtype))
    expected = naive(raw, dtype)
    for backend in WORKERS:
        assert ask(backend, raw, dtype) == expected, backend


@pytest.mark.fuzz
@pytest.mark.parametrize("name", ALL_DTYPES)
@settings(max_examples=400, deadline=None)
@given(data=st.data(), offset=st.integers(0, 9))
def test_both_backends_count_what_a_loop_counts_at_length(
    name: str, offset: int, data: st.DataObject
) -> None:
    dtype = BY_NAME[name]
    raw = data.draw(elements(dtype))
    expected = naive(raw, dtype)
    for backend in WORKERS:
        assert ask(backend, raw, dtype, offset) == expected, backend


@pytest.mark.parametrize("backend", sorted(WORKERS))
@pytest.mark.parametrize("name", REAL_DTYPES)
@pytest.mark.one_in(3)
def test_one_bad_element_is_found_wherever_it_stands(name: str, backend: str) -> None:
    dtype = BY_NAME[name]
    clean = finite_bits(dtype)
    for bad in bad_bits(dtype):
        for numel in (1, 2, 7, 8, 9, 31, 33, 64):
            for place in {0, numel // 2, numel - 1}:
                bits = [clean[at % len(clean)] for at in range(numel)]
                bits[place] = bad
                raw = packed(bits, dtype.itemsize)
                found = ask(backend, raw, dtype)
                assert found == naive(raw, dtype)
                assert found.first_bad == place


@each("backend", sorted(WORKERS))
@each("name", [name for name in REAL_DTYPES if BY_NAME[name].itemsize == 1])
def test_every_pattern_of_an_8_bit_float_is_judged_right(name: str, backend: str) -> None:
    dtype = BY_NAME[name]
    for bits in range(256):
        raw = bytes([bits])
        assert ask(backend, raw, dtype) == naive(raw, dtype), bits


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_pattern_of_a_16_bit_float_is_judged_right(name: str) -> None:
    dtype = BY_NAME[name]
    raw = packed(range(1 << 16), 2)
    values = components(raw, dtype)
    for start in range(0, 1 << 16, 64):
        part = raw[2 * start : 2 * start + 128]
        expected = measured(values[start : start + 64])
        for backend in WORKERS:
            assert ask(backend, part, dtype) == expected, (backend, start)


@each("backend", sorted(WORKERS))
@each("name", ["float64", "float32", "bfloat16", "float8_e5m2", "int64"])
def test_buffers_need_not_be_aligned(name: str, backend: str) -> None:
    dtype = BY_NAME[name]
    bits = [*finite_bits(dtype), *bad_bits(dtype)] * 40
    raw = packed(bits, dtype.itemsize)
    expected = naive(raw, dtype)
    for offset in range(1, 9):
        assert ask(backend, raw, dtype, offset) == expected


@pytest.mark.parametrize("backend", sorted(WORKERS))
@pytest.mark.parametrize("name", ALL_DTYPES)
@pytest.mark.one_in(8)
def test_more_than_a_chunk_is_measured_whole(name: str, backend: str) -> None:
    dtype = BY_NAME[name]
    component = dtype if dtype.component is None else BY_NAME[dtype.component]
    clean = packed(finite_bits(component), component.itemsize)
    clean *= dtype.itemsize // component.itemsize
    raw = clean * (1 + (1 << 20) // len(clean))
    expected = naive(clean, dtype)
    assert ask(backend, raw, dtype) == expected
    if dtype.can_be_non_finite:
        bad = packed(bad_bits(component)[:1], component.itemsize)
        spoiled = naive(bad, component)._replace(first_bad=None, min=expected.min, max=expected.max)
        last = len(raw) - len(bad)
        found = ask(backend, raw[:last] + bad, dtype)
        assert found[:5] == spoiled[:5]
        assert found.first_bad == last // dtype.itemsize


@pytest.mark.parametrize("backend", sorted(WORKERS))
def test_no_elements_give_nothing(backend: str) -> None:
    for dtype in BY_NAME.values():
        assert ask(backend, b"", dtype) == EMPTY


@pytest.mark.parametrize("name", ALL_DTYPES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
@pytest.mark.one_in(3)
def test_merging_two_runs_is_measuring_them_as_one(name: str, data: st.DataObject) -> None:
    dtype = BY_NAME[name]
    raws = [data.draw(elements(dtype)) for _ in range(3)]
    one, two, three = (ask("libtorch", raw, dtype) for raw in raws)
    counts = [len(raw) // dtype.itemsize for raw in raws]
    left = merge(merge(one, two, counts[0]), three, counts[0] + counts[1])
    right = merge(one, merge(two, three, counts[1]), counts[0])
    assert left == right == ask("libtorch", b"".join(raws), dtype)


def test_merging_with_nothing_changes_nothing() -> None:
    some = Measurement(nan=2, posinf=1, neginf=3, min=-1.0, max=4.0, first_bad=5)
    assert merge(some, EMPTY, 10) == some == merge(EMPTY, some, 0)


# -- the self-test and the choice of a backend ---------------------------------------------------


class Sabotaged:
    """A backend that is wrong about one type."""

    name = "sabotaged"
    max_workers = None

    def __init__(self, kernels: Kernels, dtype: str) -> None:
        self._worker = kernels.worker()
        self._dtype = dtype

    def worker(self) -> Sabotaged:
        """Itself."""
        return self

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """What the true backend finds, but for one NaN that it does not."""
        found = self._worker.measure(buffer, dtype)
        return found._replace(nan=found.nan + 1) if dtype.name == self._dtype else found

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """What the true backend finds, but for the last row."""
        lows, highs = self._worker.rows(buffer, dtype, count, width)
        return lows, [*highs[:-1], highs[-1] + (self._dtype == f"{dtype.name} rows")]

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """What the true backend counts, and one more."""
        return self._worker.count_magnitude(buffer, dtype, magnitude) + (self._dtype == "largest")


@pytest.mark.parametrize("backend", backends(), ids=lambda kernels: kernels.name)
def test_the_self_test_passes(backend: Kernels) -> None:
    self_test(backend)
    assert backend.worker().measure(memoryview(bytearray(4)), BY_NAME["float32"]).max == 0.0


@each("name", ALL_DTYPES)
def test_the_self_test_catches_a_wrong_answer_on_any_type(name: str) -> None:
    with pytest.raises(BackendUnavailableError, match=rf"sabotaged gives .* for {name}, not"):
        self_test(Sabotaged(load_eager(), name))


def test_the_self_test_catches_a_wrong_count() -> None:
    with pytest.raises(BackendUnavailableError, match="sabotaged counts 3 largest float64, not 2"):
        self_test(Sabotaged(load_eager(), "largest"))


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int64", "uint8"])
def test_the_self_test_catches_wrong_extremes_of_rows(name: str) -> None:
    with pytest.raises(BackendUnavailableError, match=f"wrong extremes of 2 {name} in a row"):
        self_test(Sabotaged(load_eager(), f"{name} rows"))


def test_libtorch_is_taken_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BACKEND_VARIABLE, raising=False)
    assert load_kernels().name == "libtorch"


def test_a_wrong_answer_of_libtorch_leads_to_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BACKEND_VARIABLE, raising=False)
    monkeypatch.setattr(
        libtorch, "load_libtorch", lambda: Sabotaged(load_eager(), "float8_e4m3fnuz")
    )
    assert load_kernels().name == "eager"


def test_a_wrong_answer_of_libtorch_is_told_where_libtorch_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libtorch, "load_libtorch", lambda: Sabotaged(load_eager(), "bool"))
    with pytest.raises(BackendUnavailableError, match="for bool"):
        load_kernels("libtorch")


@pytest.mark.parametrize("name", ["eager", "libtorch"])
def test_the_variable_chooses_the_backend(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, name)
    assert load_kernels().name == name


def test_an_argument_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, "libtorch")
    assert load_kernels("eager").name == "eager"


def test_an_unknown_backend_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, "cuda")
    with pytest.raises(UsageError, match="CKPTDOCTOR_BACKEND='cuda'"):
        load_kernels()


# -- what can be missing -------------------------------------------------------------------------


def test_without_torch_there_is_no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libtorch, "library_path", lambda: None)
    with pytest.raises(BackendUnavailableError, match="torch is not installed"):
        load_libtorch()


def test_a_library_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(libtorch, "library_path", lambda: tmp_path / "libtorch_cpu.so")
    with pytest.raises(BackendUnavailableError, match=r"libtorch_cpu\.so is not where"):
        load_libtorch()


def test_a_library_that_does_not_load_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "libtorch_cpu.so").write_bytes(b"no library")
    monkeypatch.setattr(libtorch, "library_path", lambda: tmp_path / "libtorch_cpu.so")
    with pytest.raises(BackendUnavailableError, match="cannot be loaded"):
        load_libtorch()


def test_a_library_of_another_interface_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libtorch, "_SYMBOLS", ("aoti_torch_of_the_year_3000",) * 5)
    with pytest.raises(BackendUnavailableError, match="has another interface"):
        load_libtorch()


def test_an_operator_that_fails_makes_the_backend_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = load_libtorch()
    monkeypatch.setattr(kernels, "dispatch", lambda *_: 1)
    with pytest.raises(BackendUnavailableError, match="libtorch refused aminmax"):
        kernels.worker().measure(memoryview(bytearray(16)), BY_NAME["float32"])


def test_a_tensor_that_cannot_be_made_makes_the_backend_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = load_libtorch()
    worker = kernels.worker()
    monkeypatch.setattr(kernels, "create", lambda *_: 1)
    with pytest.raises(BackendUnavailableError, match="create_tensor_from_blob"):
        worker.measure(memoryview(bytearray(16)), BY_NAME["float32"])


def test_a_torch_that_does_not_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match="torch cannot be imported"):
        eager.load_eager()


def test_the_library_is_found_without_importing_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    path = preload.library_path()
    assert path is not None
    assert path.name.startswith(("libtorch_cpu", "torch_cpu"))
    assert path.is_file()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert preload.library_path() is None


def test_preloading_without_torch_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bytes] = []
    monkeypatch.setattr(preload, "_load", loaded.append)
    monkeypatch.setattr(preload, "library_path", lambda: None)
    preload.preload()
    assert loaded == []


def test_preloading_loads_the_library_that_is_used_later(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    before = set(threading.enumerate())
    preload.preload()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    path = preload.library_path()
    assert path is not None
    only_if_loaded = ctypes.DEFAULT_MODE | os.RTLD_NOLOAD
    assert ctypes.CDLL(str(path), mode=only_if_loaded)._handle


def test_eager_asks_from_one_thread_only() -> None:
    assert Eager.max_workers == 1


# -- memory --------------------------------------------------------------------------------------


def anonymous_kib() -> int:
    """How much memory of its own the process holds."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_thousands_of_calls_leave_no_memory_behind() -> None:
    worker = load_libtorch().worker()
    dtypes = [BY_NAME[name] for name in ("float32", "bfloat16", "float8_e8m0fnu", "uint32")]
    raws = [
        (packed([*finite_bits(dtype), *bad_bits(dtype)] * 20, dtype.itemsize)) for dtype in dtypes
    ]

    def many(times: int) -> None:
        for _ in range(times):
            for dtype, raw in zip(dtypes, raws, strict=True):
                worker.measure(memoryview(bytearray(raw)), dtype)

    many(500)
    gc.collect()
    before = anonymous_kib()
    many(3000)
    gc.collect()
    assert anonymous_kib() - before < 2048  # a tensor handle left behind a call would be > 4 MiB


TEAM = """
import mmap, os, threading, time
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.scanning.libtorch import load_libtorch

torch = load_libtorch()

def scan():
    worker, many = torch.worker(), memoryview(mmap.mmap(-1, 1 << 23))
    for dtype in ("float32", "bfloat16"):
        worker.measure(many, BY_NAME[dtype])
    deadline = time.monotonic() + 20  # one that has ended may be listed for a moment
    while len(os.listdir("/proc/self/task")) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(len(os.listdir("/proc/self/task")))

thread = threading.Thread(target=scan)
thread.start()
thread.join()
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads by /proc")
def test_a_thread_that_measures_starts_no_others() -> None:
    """OpenMP's would wait for more work by spinning: workers took twice the processors for it."""
    told = subprocess.run(
        [sys.executable, "-c", TEAM],
        env=os.environ | {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "2\n"
