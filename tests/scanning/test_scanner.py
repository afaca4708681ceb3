"""Real files, scanned: counts, checksums, damage, and files that change meanwhile."""

from __future__ import annotations

import math
import os
import threading
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.dtypes import DType
from ckptdoctor.errors import UsageError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.scanning import scanner as scanner_module
from ckptdoctor.scanning import views
from ckptdoctor.scanning.backends import BACKEND_VARIABLE
from ckptdoctor.scanning.kernels import EMPTY, Extremes, Kernels, Measurement
from ckptdoctor.scanning.plan import CHUNK_NBYTES, PIECE_NBYTES, make_plan
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.sources import positioned
from tests.builders import data_span, patched, rezip, save, tensor_of
from tests.each import each
from tests.scanning.builders import backends, scan_file, scan_tensors, stats_of

NAN, INF = math.nan, math.inf
LONGER = zlib.compress(bytes(1028), wbits=-15)


@pytest.fixture(params=backends(), ids=lambda kernels: kernels.name)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    found: Kernels = request.param
    return found


def ramp(*shape: int) -> torch.Tensor:
    """A float32 tensor whose elements are all different."""
    return torch.arange(float(math.prod(shape))).reshape(shape)


def spoiled(*shape: int, **places: float) -> torch.Tensor:
    """A ramp with one value put at some flat places, given as ``at_3=NAN``."""
    tensor = ramp(*shape)
    for place, value in places.items():
        tensor.view(-1)[int(place.removeprefix("at_"))] = value
    return tensor


# -- the numbers, for each way to lie in a storage -----------------------------------------------

TENSORS: dict[str, Callable[[], torch.Tensor]] = {
    "contiguous": lambda: spoiled(4, 5, at_7=NAN, at_9=INF, at_11=-INF, at_19=NAN),
    "all bad": lambda: torch.full((3, 3), NAN),
    "scalar": lambda: torch.tensor(2.5),
    "bad scalar": lambda: torch.tensor(NAN),
    "empty": lambda: torch.empty(3, 0, 2),
    "one element": lambda: torch.full((1, 1, 1), -INF),
    "transposed": lambda: spoiled(4, 5, at_7=NAN, at_13=INF).t(),
    "permuted": lambda: spoiled(2, 3, 4, at_13=NAN).permute(2, 0, 1),
    "channels last": lambda: spoiled(2, 3, 4, 5, at_70=INF).to(memory_format=torch.channels_last),
    "columns": lambda: spoiled(6, 5, at_7=NAN, at_14=INF)[:, 1:3],
    "columns beside the bad one": lambda: spoiled(6, 5, at_4=NAN)[:, :4],
    "every third": lambda: spoiled(30, at_9=NAN, at_10=INF)[::3],
    "rows": lambda: spoiled(6, 5, at_3=NAN, at_12=INF)[2:4],
    "steps in two dimensions": lambda: spoiled(8, 9, at_40=NAN, at_41=INF)[1::2, ::4],
    "transposed columns": lambda: torch.t(spoiled(6, 5, at_17=NAN)[:, 1:4]),
    "many short rows": lambda: spoiled(900, 5, at_3=NAN, at_1202=INF, at_4498=INF)[:, 2:4],
    "blocks": lambda: spoiled(90, 4, 6, at_23=NAN, at_100=INF, at_1111=-INF)[:, 1:3, ::2],
    "half rows": lambda: spoiled(90, 6, at_3=NAN, at_100=INF).half()[10:, 3:],
    "expanded": lambda: torch.tensor([1.0, NAN, INF]).expand(4, 3),
    "expanded behind": lambda: torch.tensor([[1.0], [-INF]]).expand(2, 5),
    "expanded with gaps": lambda: spoiled(8, at_2=NAN, at_3=INF)[::2].unsqueeze(0).expand(3, 4),
    "float64": lambda: spoiled(3, 4, at_5=NAN).double(),
    "float16": lambda: spoiled(3, 4, at_5=INF).half(),
    "bfloat16": lambda: spoiled(3, 4, at_5=NAN, at_6=-INF).bfloat16(),
    "bfloat16 columns": lambda: spoiled(5, 4, at_6=-INF, at_7=NAN).bfloat16()[:, 1:3],
    "float8_e4m3fn": lambda: spoiled(3, 4, at_5=NAN).to(torch.float8_e4m3fn),
    "float8_e5m2": lambda: spoiled(3, 4, at_5=NAN, at_6=INF).to(torch.float8_e5m2),
    "complex64": lambda: torch.complex(spoiled(3, 4, at_5=NAN), spoiled(3, 4, at_5=INF, at_9=NAN)),
    "complex columns": lambda: torch.complex(ramp(3, 4), spoiled(3, 4, at_5=INF))[:, 1:3],
    "bool": lambda: torch.tensor([[True, False], [False, False]]),
    "int64": lambda: torch.tensor([-(2**63), 2**63 - 1]),
}


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("case", TENSORS)
@pytest.mark.one_in(3)
def test_a_tensor_is_measured_as_it_shows_itself(
    tmp_path: Path, case: str, kernels: Kernels, jobs: int
) -> None:
    tensor = TENSORS[case]()
    path = save(tmp_path / "a.pt", {"x": tensor})
    expected = stats_of("x", tensor, dtype_name(tensor))
    found = scan_tensors(path, jobs=jobs, kernels=kernels)
    assert found == ({"x": expected} if tensor.numel() else {})


@pytest.mark.parametrize("case", TENSORS)
@pytest.mark.one_in(3)
def test_a_legacy_file_gives_the_same_numbers(tmp_path: Path, case: str) -> None:
    tensor = TENSORS[case]()
    if "float8" in case:
        pytest.skip("torch had no such type then")
    path = save(tmp_path / "a.pt", {"x": tensor}, _use_new_zipfile_serialization=False)
    expected = stats_of("x", tensor, dtype_name(tensor))
    assert scan_tensors(path) == ({"x": expected} if tensor.numel() else {})


def test_a_view_that_overlaps_itself_counts_what_it_shows(tmp_path: Path) -> None:
    for size in (6, 900):
        view = spoiled(size, at_2=NAN).unfold(0, 3, 1)
        found = scan_tensors(save(tmp_path / "a.pt", {"x": view}))["x"]
        assert (found.numel, found.nan, found.min, found.max) == (3 * size - 6, 3, 0, size - 1)
        assert found.first_bad_index is not None
        assert math.isnan(view[found.first_bad_index])


def test_a_view_of_very_many_rows_sees_no_gap(tmp_path: Path) -> None:
    base = torch.zeros(300_000, 4)
    base[:, 3] = NAN
    base[299_998, 1] = INF
    found = scan_tensors(save(tmp_path / "a.pt", {"x": base[:, :3]}))["x"]
    assert (found.nan, found.posinf, found.first_bad_index) == (0, 1, (299_998, 1))


def test_a_view_that_would_take_too_many_reads_is_judged_by_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_MAX_READS", 3)
    base = torch.zeros(5, 3000)
    base[2, 2900] = NAN
    found = scan_tensors(save(tmp_path / "a.pt", {"x": base[:, :2500]}))["x"]
    assert found.nan == 1


def test_quantized_tensors_are_seen_as_the_integers_they_store(
    tmp_path: Path, kernels: Kernels
) -> None:
    tensors = {name: tensor_of(name, 3, 4) for name in ("qint8", "quint8", "qint32")}
    found = scan_tensors(save(tmp_path / "a.pt", tensors), kernels=kernels)
    assert found == {name: stats_of(name, tensor, name) for name, tensor in tensors.items()}


def test_several_views_of_one_storage_have_their_own_numbers(
    tmp_path: Path, kernels: Kernels
) -> None:
    base = spoiled(10, 10, at_5=NAN, at_50=INF, at_99=-INF)
    tensors = {
        "base": base,
        "head": base[:3],
        "tail": base[5:],
        "middle": base[3:5],
        "column": base[:, 5],
        "flat": base.reshape(-1)[17:93],
        "turned": base.t(),
    }
    found = scan_tensors(save(tmp_path / "a.pt", tensors), kernels=kernels)
    assert found == {
        name: stats_of(name, tensor, dtype_name(tensor)) for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("place", [0, -1, 0.5, 1, 2])
@pytest.mark.one_in(5)
def test_nan_at_the_border_of_two_chunks_is_found(
    tmp_path: Path, place: float, kernels: Kernels
) -> None:
    """Around 1 MiB, and around the border between two of our reads."""
    for border in (1 << 20, CHUNK_NBYTES, PIECE_NBYTES):
        numel = 3 * border // 4 + 5
        tensor = torch.zeros(numel)
        at = numel - 1 if place == -1 else int(place * border) // 4
        for bad in {max(at - 1, 0), at}:
            tensor[bad] = NAN
        found = scan_tensors(save(tmp_path / "a.pt", {"x": tensor}), kernels=kernels)["x"]
        assert found.nan == int(tensor.isnan().sum())
        assert found.first_bad_index == (max(at - 1, 0),)
        assert (found.min, found.max, found.numel) == (0.0, 0.0, numel)


def test_a_wide_view_with_gaps_is_measured_piece_by_piece(tmp_path: Path) -> None:
    numel = 3 * CHUNK_NBYTES // 4
    base = torch.zeros(numel)
    base[::2] = 1.0
    base[1] = NAN
    base[numel - 2 - numel % 2] = INF
    view = base[::2]
    found = scan_tensors(save(tmp_path / "a.pt", {"x": view}))["x"]
    assert (found.nan, found.posinf, found.min, found.max) == (0, 1, 1.0, 1.0)
    assert found.first_bad_index == ((numel - 2 - numel % 2) // 2,)


def test_many_small_tensors_keep_their_numbers_apart(tmp_path: Path, kernels: Kernels) -> None:
    tensors = {f"t{at}": torch.full((at % 7 + 1,), float(at)) for at in range(300)}
    tensors["t137"][2] = NAN
    found = scan_tensors(save(tmp_path / "a.pt", tensors), jobs=4, kernels=kernels)
    assert [name for name, stats in found.items() if stats.non_finite] == ["t137"]
    assert all((stats.min, stats.max) == (float(name[1:]),) * 2 for name, stats in found.items())


def test_a_parameter_that_is_tied_is_told_under_both_names(tmp_path: Path) -> None:
    weight = spoiled(3, 3, at_4=NAN)
    found = scan_tensors(save(tmp_path / "a.pt", {"a": weight, "b": weight}))
    assert found["a"].nan == found["b"].nan == 1


# -- other formats -------------------------------------------------------------------------------


def test_safetensors_give_the_same_numbers(tmp_path: Path, kernels: Kernels) -> None:
    tensors = {
        "w": spoiled(4, 5, at_7=NAN),
        "h": spoiled(3, at_1=INF).bfloat16(),
        "e": torch.empty(0),
        "f8": spoiled(5, at_2=NAN).to(torch.float8_e4m3fn),
        "n": torch.tensor([1, 2]),
    }
    save_file(tensors, tmp_path / "a.safetensors")
    found = scan_tensors(tmp_path / "a.safetensors", kernels=kernels)
    assert found == {
        name: stats_of(name, tensor, dtype_name(tensor))
        for name, tensor in tensors.items()
        if tensor.numel()
    }


def test_deflated_records_give_the_same_numbers(tmp_path: Path, kernels: Kernels) -> None:
    big = torch.zeros(CHUNK_NBYTES // 2)
    big[CHUNK_NBYTES // 4] = NAN
    tensors = {"w": spoiled(4, 5, at_7=NAN), "big": big, "h": ramp(3).half()}
    plain = save(tmp_path / "a.pt", tensors)
    packed = rezip(plain, tmp_path / "b.pt", method=zipfile.ZIP_DEFLATED)
    checkpoint, _ = scan_file(packed)
    assert all(t.storage and t.storage.deflated_nbytes is not None for t in checkpoint.tensors)
    assert scan_tensors(packed, kernels=kernels) == scan_tensors(plain)


def test_numpy_arrays_inside_the_pickle_are_measured(tmp_path: Path, kernels: Kernels) -> None:
    arrays = {"a": np.array([[1.0, NAN], [INF, 4.0]]), "b": np.arange(5, dtype=np.int16)}
    path = save(tmp_path / "a.pt", {"model": arrays, "w": ramp(2)})
    found = scan_tensors(path, kernels=kernels)
    assert (found["model.a"].nan, found["model.a"].posinf) == (1, 1)
    assert found["model.a"].first_bad_index == (0, 1)
    assert (found["model.b"].min, found["model.b"].max) == (0, 4)


@pytest.mark.parametrize("case", ["contiguous", "float16", "complex64", "columns", "int64", "bool"])
def test_big_endian_files_are_read_the_other_way_round(
    tmp_path: Path, case: str, kernels: Kernels
) -> None:
    tensor = TENSORS[case]()
    little = save(tmp_path / "a.pt", {"x": tensor})
    with zipfile.ZipFile(little) as archive:
        data = archive.read("a/data/0")
    part = tensor.element_size() // (2 if tensor.is_complex() else 1)
    swapped = b"".join(data[at : at + part][::-1] for at in range(0, len(data), part))
    replace = {"data/0": swapped, "byteorder": b"big"}
    big = rezip(little, tmp_path / "b.pt", replace=replace, drop=[".data/serialization_id"])
    assert scan_tensors(big, kernels=kernels) == scan_tensors(little)


# -- reading -------------------------------------------------------------------------------------


def test_each_byte_of_a_storage_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ramp(1000, 900)
    tensors = {
        **{f"view{at}": base[at : at + 400] for at in range(0, 600, 100)},
        "turned": base.t(),
        **{f"small{at}": ramp(at + 1) for at in range(50)},
    }
    path = save(tmp_path / "a.pt", tensors)
    reads: list[tuple[int, int]] = []
    true = os.preadv

    def counted(fd: int, buffers: Any, offset: int) -> int:
        done = true(fd, buffers, offset)
        reads.append((offset, done))
        return done

    monkeypatch.setattr(os, "preadv", counted)
    checkpoint, result = scan_file(path, jobs=2)
    assert len(result.stats) == len(tensors)
    times: Counter[int] = Counter()
    for offset, nbytes in reads:
        times.update(range(offset // 64, -(-(offset + nbytes) // 64)))  # torch aligns to 64 bytes
    for record in checkpoint.records:
        blocks = range(-(-record.offset // 64), (record.offset + record.nbytes) // 64)
        assert {times[block] for block in blocks} <= {1}
    assert sum(nbytes for _, nbytes in reads) < path.stat().st_size
    assert len(reads) < 10  # and the small ones together


def test_a_store_is_told_to_expect_what_will_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A far file fetches ahead what it was told, and waits for whatever else is asked."""
    state = {"plain": ramp(500), "gaps": ramp(90, 40)[:, 3:9], "long": torch.zeros(CHUNK_NBYTES)}
    weights = save(tmp_path / "a.pt", state)
    packed = save(tmp_path / "b.pt", {"w": ramp(300, 70), "b": ramp(11)})
    for path in (weights, rezip(packed, tmp_path / "c.pt", method=zipfile.ZIP_DEFLATED)):
        read, expected = np.zeros((2, path.stat().st_size), dtype=bool)

        def expect(_: int, ranges: Iterable[tuple[int, int]], told: Any = expected) -> None:
            for start, nbytes in ranges:
                told[start : start + nbytes] = True

        def reading(true: Any, read: Any = read) -> Callable[[int, Any, int], Any]:
            def watched(fd: int, what: Any, offset: int) -> Any:
                nbytes = what if isinstance(what, int) else len(what[0])
                read[offset : offset + nbytes] = True
                return true(fd, what, offset)

            return watched

        with opened(path) as file, Scanner(1) as scanner, monkeypatch.context() as patch:
            checkpoint = read_checkpoint(file)
            patch.setattr(scanner_module, "expect", expect)
            patch.setattr(os, "preadv", reading(os.preadv))
            patch.setattr(positioned, "pread", reading(os.pread))
            result = scanner.submit(checkpoint, file.fd).result()
        assert len(result.stats) == len(checkpoint.tensors)
        assert read.sum() > checkpoint.nbytes / 3
        assert np.array_equal(read, expected)


def test_a_read_that_comes_in_parts_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(
        tmp_path / "a.pt",
        {"x": spoiled(100, 100, at_9876=NAN), "v": spoiled(300, 7, at_2092=INF)[:, 5:]},
    )
    expected = scan_tensors(path)
    true = os.preadv

    def partial(fd: int, buffers: Any, offset: int) -> int:
        return true(fd, [buffers[0][: max(1, len(buffers[0]) // 2)]], offset)

    monkeypatch.setattr(os, "preadv", partial)
    assert scan_tensors(path) == expected
    assert expected["v"].posinf == 1


def test_progress_adds_up_to_what_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"x": torch.zeros(9 << 20), "v": ramp(10, 10)[:, :3]})
    told: list[int] = []
    with opened(path) as file, Scanner(2, progress=told.append) as scanner:
        result = scanner.submit(read_checkpoint(file), file.fd).result()
    assert sum(told) == result.scanned_nbytes
    assert 36 << 20 < result.scanned_nbytes <= path.stat().st_size
    assert len(told) > 2


def test_one_scanner_takes_many_files(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{at}.pt", {"x": torch.full((9,), float(at))}) for at in range(20)]
    with Scanner(4) as scanner:
        scanner.warm_up()
        for at, path in enumerate(paths):
            with opened(path) as file:
                result = scanner.submit(read_checkpoint(file), file.fd).result()
            assert result.stats["x"].max == at
        assert scanner.backend in ("libtorch", "eager")
        own = [one for one in threading.enumerate() if one.name.startswith("ckptdoctor-scan")]
        assert own
    assert not any(one.is_alive() for one in own)  # nobody scans behind it


def test_a_thread_and_whoever_asks_measure_the_same(tmp_path: Path) -> None:
    """A little is measured at once by whoever asks, as soon as the backend is there."""
    many = {case: make() for case, make in TENSORS.items()}
    path = save(tmp_path / "a.pt", many)
    measured: list[bool] = []
    with (
        opened(path) as file,
        Scanner(2, progress=lambda _: measured.append(by_thread())) as scanner,
    ):
        by_a_thread, by_us = (
            scanner.submit(read_checkpoint(file), file.fd).result() for _ in range(2)
        )
    assert by_us == by_a_thread
    assert measured == sorted(measured, reverse=True)
    assert set(measured) == {True, False}


def by_thread() -> bool:
    """Whether another thread than the first one asks this."""
    return threading.current_thread() is not threading.main_thread()


def test_eager_is_asked_by_one_thread_at_a_time(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {f"t{at}": torch.zeros(5 << 20) for at in range(3)})
    lonely = Watched(max_workers=1)
    scan_tensors(path, jobs=4, kernels=lonely)
    assert lonely.most == 1
    crowd = Watched(max_workers=None)
    scan_tensors(path, jobs=4, kernels=crowd)
    assert crowd.most > 1


class Watched:
    """A backend that is slow, and counts how many threads ask at once."""

    name = "watched"

    def __init__(self, *, max_workers: int | None = None) -> None:
        self.max_workers = max_workers
        self.asked = 0
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def worker(self) -> Watched:
        return self

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        raise AssertionError("nothing here is as large as can be")

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        raise AssertionError("nothing here is small")

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        with self._lock:
            self.asked += 1
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.005)
        with self._lock:
            self._now -= 1
        return EMPTY


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.one_in(2)
def test_an_error_in_the_caller_stops_the_threads(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = save(tmp_path / "a.pt", {"x": torch.zeros(40 << 20)})
    slow = Watched()
    with opened(path) as file:
        checkpoint = read_checkpoint(file)

        def interrupted() -> None:
            with Scanner(2, slow) as scanner:
                scanner.submit(checkpoint, file.fd)
                raise error

        with pytest.raises(error):
            interrupted()
    assert slow.asked < (160 << 20) / CHUNK_NBYTES / 2
    assert not [t for t in threading.enumerate() if t.name.startswith("ckptdoctor-scan")]


def test_a_bogus_backend_is_told_to_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, "bogus")
    path = save(tmp_path / "a.pt", {"x": ramp(3)})
    with pytest.raises(UsageError, match="bogus"):
        scan_file(path)


# -- checksums -----------------------------------------------------------------------------------


def flip(path: Path, record: str, place: int = 0) -> Path:
    """The file with one bit of a record flipped."""
    start, _ = data_span(path, record)
    return patched(path, start + place, bytes([path.read_bytes()[start + place] ^ 1]))


def test_a_flipped_bit_is_found_and_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"model": {"a": ramp(5), "b": ramp(6), "twin": ramp(3)}})
    _, result = scan_file(flip(path, "a/data/1", 9))
    (problem,) = result.problems
    assert (problem.code, problem.severity) == ("CD103", Severity.ERROR)
    assert problem.subject == "model.b"
    assert problem.evidence["tensors"] == ["model.b"]
    assert "data/1" in problem.message
    assert set(result.stats) == {"model.a", "model.b", "model.twin"}


def test_a_flipped_bit_far_inside_a_large_storage_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"x": torch.zeros(3 * CHUNK_NBYTES // 4)})
    _, result = scan_file(flip(path, "a/data/0", 2 * CHUNK_NBYTES + 3), jobs=4)
    assert [problem.code for problem in result.problems] == ["CD103"]


@pytest.mark.parametrize("record", ["data.pkl", "version", "byteorder"])
def test_a_flipped_bit_in_a_record_without_tensors_is_found(tmp_path: Path, record: str) -> None:
    state = {"x": ramp(3), "note": "the quick brown fox"}
    path = save(tmp_path / "a.pt", state)
    place = 0
    if record == "data.pkl":
        start, nbytes = data_span(path, "a/data.pkl")
        place = path.read_bytes()[start : start + nbytes].index(b"quick")
    elif record == "byteorder":
        place = 5
    _, result = scan_file(flip(path, f"a/{record}", place))
    assert [problem.code for problem in result.problems] == ["CD103"]
    assert record in result.problems[0].subject


def test_a_flipped_bit_in_the_gap_of_a_view_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"x": ramp(10, 10)[2:4, :5]})
    for place in (0, 60, 399):
        _, result = scan_file(flip(path, "a/data/0", place))
        assert [problem.subject for problem in result.problems] == ["x"]
        flip(path, "a/data/0", place)
    assert scan_file(path)[1].problems == ()


def test_a_flipped_bit_in_an_odd_tail_is_found(tmp_path: Path) -> None:
    """A storage whose size is no whole number of elements."""
    path = save(tmp_path / "a.pt", {"x": ramp(3)})
    with zipfile.ZipFile(path) as archive:
        data = archive.read("a/data/0")
    longer = rezip(path, tmp_path / "b.pt", replace={"data/0": data + b"xyz"})
    _, result = scan_file(longer)
    assert not [problem for problem in result.problems if problem.code == "CD103"]
    _, result = scan_file(flip(longer, "a/data/0", 14))
    assert "CD103" in [problem.code for problem in result.problems]


def test_without_checksums_nothing_is_compared_and_that_is_said(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / "a.pt", {"x": ramp(5), "y": spoiled(6, at_2=NAN)})
    finally:
        torch.serialization.set_crc32_options(before)
    _, result = scan_file(flip(path, "a/data/0"))
    assert result.problems == ()
    assert result.unchecked >= 2
    assert result.stats["y"].nan == 1


def test_with_checksums_all_is_compared(tmp_path: Path) -> None:
    _, result = scan_file(save(tmp_path / "a.pt", {"x": ramp(5)}))
    assert result.unchecked == 0


# -- damage and change ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"\xff", b"\x03\x00"], ids=["no deflate", "ends early"])
def test_a_damaged_deflate_stream_is_told_and_the_rest_is_scanned(
    tmp_path: Path, start: bytes
) -> None:
    plain = save(tmp_path / "a.pt", {"x": ramp(500), "y": spoiled(7, at_1=NAN)})
    packed = rezip(plain, tmp_path / "b.pt", method=zipfile.ZIP_DEFLATED)
    at, _ = data_span(packed, "a/data/0")
    _, result = scan_file(patched(packed, at, start))
    (problem,) = result.problems
    assert (problem.code, problem.severity) == ("CD104", Severity.ERROR)
    assert problem.subject == "x"
    assert "data/0" in problem.message
    assert "x" not in result.stats
    assert result.stats["y"].nan == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: bytes([packed[0] & ~1]) + packed[1:],
        lambda packed: LONGER,
    ],
    ids=["no end", "goes on"],
)
def test_a_deflate_stream_that_does_not_end_with_its_record_is_told(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    """All of its bytes are right, and so is their checksum; torch refuses it."""
    plain = save(tmp_path / "a.pt", {"x": torch.zeros(256)})
    packed = rezip(plain, tmp_path / "b.pt", method=zipfile.ZIP_DEFLATED)
    at, nbytes = data_span(packed, "a/data/0")
    stream = spoil(packed.read_bytes()[at : at + nbytes])
    assert len(stream) <= nbytes
    _, result = scan_file(patched(packed, at, stream.ljust(nbytes, b"\0")))
    (problem,) = result.problems
    assert (problem.code, problem.subject) == ("CD104", "x")
    assert result.stats == {}


def test_a_deflate_stream_that_is_cut_is_told(tmp_path: Path) -> None:
    """The stream runs on past its record: the data behind it is not its own."""
    plain = save(tmp_path / "a.pt", {"x": torch.rand(3000)})
    packed = rezip(plain, tmp_path / "b.pt", method=zipfile.ZIP_DEFLATED)
    with opened(packed) as file, Scanner(1) as scanner:
        checkpoint = read_checkpoint(file)

        def cut(checkpoint: Any) -> Any:
            scans, tasks = make_plan(checkpoint)
            for scan in scans:
                ref = scan.ref
                if ref.deflated_nbytes:
                    object.__setattr__(ref, "deflated_nbytes", ref.deflated_nbytes // 2)
            return scans, tasks

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ckptdoctor.scanning.scanner.make_plan", cut)
            result = scanner.submit(checkpoint, file.fd).result()
    assert "CD104" in [problem.code for problem in result.problems]


@each("is_there", [False, True])
@each(
    "state",
    [
        {"x": ramp(400_000)},
        {"x": ramp(4000)},
        {"x": ramp(1000, 400)[:, ::2]},
        {"x": ramp(40, 4000)[:, :9]},
    ],
    ids=["whole", "little", "every second", "columns"],
)
def test_a_file_that_is_cut_while_it_is_read_is_told(
    tmp_path: Path, state: dict[str, torch.Tensor], is_there: bool
) -> None:
    path = save(tmp_path / "a.pt", state)
    with opened(path) as file, Scanner(2) as scanner:
        if is_there:
            assert scanner.backend
        checkpoint = read_checkpoint(file)
        os.truncate(path, 1000)
        result = scanner.submit(checkpoint, file.fd).result()
    assert [(problem.code, problem.severity) for problem in result.problems] == [
        ("CD109", Severity.ERROR)
    ]
    assert "cut" in result.problems[0].message
    assert result.stats == {}


def test_a_file_that_is_written_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"x": ramp(10)})
    with opened(path) as file, Scanner(1) as scanner:
        checkpoint = read_checkpoint(file)
        with path.open("ab") as more:
            more.write(b"more")
        result = scanner.submit(checkpoint, file.fd).result()
    assert [(problem.code, problem.severity) for problem in result.problems] == [
        ("CD109", Severity.WARNING)
    ]
    assert set(result.stats) == {"x"}


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    """Whoever writes another file and renames it over ours leaves ours as it was."""
    path = save(tmp_path / "a.pt", {"x": ramp(10)})
    other = save(tmp_path / "b.pt", {"x": torch.full((10,), NAN)})
    with opened(path) as file, Scanner(1) as scanner:
        checkpoint = read_checkpoint(file)
        other.replace(path)
        result = scanner.submit(checkpoint, file.fd).result()
    assert result.stats["x"].nan == 0


def test_a_disk_error_is_raised_once_every_thread_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.pt", {f"t{at}": torch.zeros(6 << 20) for at in range(4)})
    true, started, done = os.preadv, Counter[str](), Counter[str]()

    def failing(fd: int, buffers: Any, offset: int) -> int:
        started["reads"] += 1
        if offset < 1 << 20:
            done["failures"] += 1
            raise OSError(5, "Input/output error")
        time.sleep(0.01)
        result = true(fd, buffers, offset)
        done["reads"] += 1
        return result

    monkeypatch.setattr(os, "preadv", failing)
    with opened(path) as file, Scanner(2) as scanner:
        pending = scanner.submit(read_checkpoint(file), file.fd)
        with pytest.raises(OSError, match="Input/output error"):
            pending.result()
        reads = started["reads"]
        time.sleep(0.05)
        assert started["reads"] == reads == done["reads"] + done["failures"]
        assert done["failures"] > 0
