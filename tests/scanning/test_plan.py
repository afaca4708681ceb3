"""What is read, in which order, and which bytes belong to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.checkpoint import Checkpoint, Role, StorageRef
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.scanning import plan
from ckptdoctor.scanning.plan import (
    CHUNK_NBYTES,
    PIECE_NBYTES,
    Extent,
    Read,
    StorageScan,
    make_plan,
)
from tests.cases import checkpoint, record
from tests.each import each


def storage(offset: int, nbytes: int, key: str = "", crc32: int | None = None) -> StorageRef:
    return StorageRef(key=key or f"data/{offset}", offset=offset, nbytes=nbytes, crc32=crc32)


def reads_of(described: Checkpoint) -> list[Read]:
    _, tasks = make_plan(described)
    return [read for task in tasks for read in task.reads]


def runs(scan: StorageScan) -> list[tuple[int, int, bool]]:
    """Start and end of each piece, and whether it is measured."""
    return [(p.start, p.start + p.nbytes, p.dtype is not None) for p in scan.pieces]


# -- the run of a tensor -------------------------------------------------------------------------


@each(
    ("shape", "stride", "expected"),
    [
        ((), (), (1, True)),
        ((5,), (1,), (5, True)),
        ((5,), (2,), (9, False)),
        ((2, 3), (3, 1), (6, True)),
        ((3, 2), (1, 3), (6, True)),
        ((2, 3), (4, 1), (7, False)),
        ((4, 3), (0, 1), (3, True)),
        ((1, 3), (100, 1), (3, True)),
        ((4, 3), (1, 1), (6, False)),
    ],
)
def test_the_run_of_a_tensor_ends_with_its_last_element(
    shape: tuple[int, ...], stride: tuple[int, ...], expected: tuple[int, bool]
) -> None:
    extent = Extent.of(record("x", shape, stride=stride, storage_offset=2, dtype="float16"))
    assert (extent.start, extent.nbytes, extent.dense) == (4, 2 * expected[0], expected[1])


# -- storages and pieces -------------------------------------------------------------------------


def test_a_storage_is_listed_once_for_all_its_views() -> None:
    ref = storage(64, 400)
    views = [record(f"v{at}", (10,), storage_offset=at, storage=ref) for at in range(5)]
    scans, tasks = make_plan(checkpoint(views))
    assert [[tensor.fqn for tensor in scan.tensors] for scan in scans] == [
        ["v0", "v1", "v2", "v3", "v4"]
    ]
    assert sum(task.nbytes for task in tasks) <= 400


def test_a_storage_read_as_two_types_has_its_checksum_computed_once() -> None:
    ref = storage(64, 400, crc32=7)
    scans, _ = make_plan(
        checkpoint(
            [record("a", (100,), storage=ref), record("b", (50,), dtype="float64", storage=ref)]
        )
    )
    assert [(scan.check_crc, scan.dtype and scan.dtype.name) for scan in scans] == [
        (True, "float32"),
        (False, "float64"),
    ]


def test_what_has_no_bytes_is_not_planned() -> None:
    tensors = [
        record("lost", lost=True),
        record("empty", (3, 0)),
    ]
    meta = record("meta")
    object.__setattr__(meta, "storage", None)
    assert make_plan(checkpoint([*tensors, meta])) == ([], [])


def test_pieces_end_where_a_view_begins_or_ends() -> None:
    ref = storage(64, 400)
    views = [
        record("a", (10,), storage_offset=5, storage=ref),
        record("b", (10,), storage_offset=10, storage=ref),
    ]
    scans, _ = make_plan(checkpoint(views))
    assert runs(scans[0]) == [(20, 40, True), (40, 60, True), (60, 80, True)]


def test_bytes_that_no_tensor_shows_are_read_for_their_checksum_only() -> None:
    ref = storage(64, 403, crc32=1)
    scans, _ = make_plan(checkpoint([record("a", (10,), storage_offset=5, storage=ref)]))
    assert runs(scans[0]) == [(0, 20, False), (20, 60, True), (60, 400, False), (400, 403, False)]


def test_records_without_a_tensor_are_read_for_their_checksum() -> None:
    pickle = storage(64, 30, "data.pkl", crc32=9)
    unchecked = storage(128, 30, "version", crc32=0)
    empty = storage(192, 0, "empty", crc32=5)
    scans, tasks = make_plan(checkpoint(records=[pickle, unchecked, empty]))
    assert [(scan.ref.key, scan.dtype, scan.check_crc) for scan in scans] == [
        ("data.pkl", None, True)
    ]
    assert sum(task.nbytes for task in tasks) == 30


def test_a_record_that_a_tensor_views_is_not_read_twice() -> None:
    ref = storage(64, 40, crc32=9)
    described = checkpoint([record("a", (10,), storage=ref)], records=[ref])
    assert [read.nbytes for read in reads_of(described)] == [40]


@pytest.mark.parametrize(("deflated", "longest"), [(None, PIECE_NBYTES), (99, CHUNK_NBYTES)])
def test_large_storages_are_cut_into_pieces(deflated: int | None, longest: int) -> None:
    ref = replace(storage(64, 2 * longest + 8), deflated_nbytes=deflated)
    scans, _ = make_plan(checkpoint([record("a", (longest // 2 + 2,), storage=ref)]))
    assert [piece.nbytes for piece in scans[0].pieces] == [longest, longest, 8]


@pytest.mark.parametrize(
    ("role", "sampled"), [(Role.MODEL, True), (Role.EMA, True), (Role.OPTIMIZER, False)]
)
def test_elements_are_kept_of_weights_alone_and_of_what_a_tensor_shows(
    role: Role, sampled: bool
) -> None:
    ref = storage(64, 400, crc32=1)
    views = [record(f"v{at}", (10,), storage_offset=at, storage=ref, role=role) for at in (5, 9)]
    scans, _ = make_plan(checkpoint(views))
    kept = [piece.sampled > 0 for piece in scans[0].pieces]
    assert kept == [False, sampled, sampled, sampled, False]


def test_a_storage_viewed_in_very_many_ways_is_measured_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "_MAX_CUTS", 10)
    ref = storage(64, 4000)
    views = [record(f"v{at}", (3,), storage_offset=3 * at, storage=ref) for at in range(1, 99)]
    scans, _ = make_plan(checkpoint(views))
    assert runs(scans[0]) == [(12, 12 * 99, True)]


# -- reads and tasks -----------------------------------------------------------------------------


def test_neighbours_are_read_together_and_strangers_apart() -> None:
    near = [record(f"n{at}", (10,), storage=storage(64 * at, 40)) for at in range(1, 6)]
    far = record("far", (10,), storage=storage(10_000_000, 40))
    reads = reads_of(checkpoint([far, *near]))
    assert [(read.offset, read.nbytes) for read in reads] == [(64, 296), (10_000_000, 40)]
    assert [start for _, start, _ in reads[0].pieces] == [0, 64, 128, 192, 256]


def test_no_read_exceeds_the_buffer() -> None:
    half = CHUNK_NBYTES // 2 + 64
    tensors = [
        record(f"t{at}", (half // 4,), storage=storage(64 + at * half, half)) for at in range(4)
    ]
    assert [read.nbytes for read in reads_of(checkpoint(tensors))] == [half] * 4


def test_a_large_file_is_shared_out_in_several_tasks_in_file_order() -> None:
    nbytes = 100 << 20
    _, tasks = make_plan(checkpoint([record("x", (nbytes // 4,), storage=storage(64, nbytes))]))
    assert len(tasks) > 4
    assert sum(task.nbytes for task in tasks) == nbytes
    offsets = [read.offset for task in tasks for read in task.reads]
    assert offsets == sorted(offsets)


def test_a_view_with_gaps_and_a_deflated_storage_are_tasks_of_their_own() -> None:
    gappy = record("gappy", (3, 2), stride=(4, 1))
    deflated = StorageRef(key="d", offset=9, nbytes=16, deflated_nbytes=5)
    inline = StorageRef(key="i", offset=0, nbytes=16, inline=bytes(16))
    _, tasks = make_plan(
        checkpoint([gappy, record("d", storage=deflated), record("i", storage=inline)])
    )
    assert [task.view[1].fqn for task in tasks if task.view] == ["gappy"]
    assert [task.decode.ref.key for task in tasks if task.decode] == ["d", "i"]


@st.composite
def layouts(draw: st.DrawFn) -> Checkpoint:
    """Storages one behind the other, each with a few views, some checked, some with a tail."""
    tensors, records, at = [], [], 64
    for number in range(draw(st.integers(1, 8))):
        numel = draw(
            st.sampled_from([1, 3, 50, 5000, CHUNK_NBYTES // 4, CHUNK_NBYTES, 5 * CHUNK_NBYTES])
        )
        tail = draw(st.integers(0, 3))
        crc32 = draw(st.sampled_from([None, 0, 77]))
        ref = storage(at, 4 * numel + tail, f"data/{number}", crc32)
        at += ref.nbytes + draw(st.sampled_from([0, 50, 20_000]))
        records.append(ref)
        for view in range(draw(st.integers(0, 4))):
            first = draw(st.integers(0, numel - 1))
            size = draw(st.integers(1, numel - first))
            tensors.append(record(f"{number}.{view}", (size,), storage_offset=first, storage=ref))
    return checkpoint(tensors, records=records)


def covered(scans: Sequence[StorageScan], reads: Sequence[Read]) -> None:
    """Every piece is brought in by exactly one read, at the place where it lies."""
    offset_of = {
        id(piece): scan.ref.offset + piece.start for scan in scans for piece in scan.pieces
    }
    met: list[int] = []
    for read in reads:
        assert read.nbytes <= CHUNK_NBYTES or len(read.pieces) == 1
        assert read.nbytes <= PIECE_NBYTES
        for piece, start, _ in read.pieces:
            assert read.offset + start == offset_of[id(piece)]
            assert 0 <= start <= start + piece.nbytes <= read.nbytes
            met.append(id(piece))
    assert sorted(met) == sorted(offset_of)


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_every_plan_reads_each_piece_once_and_each_view_in_whole_pieces(
    described: Checkpoint,
) -> None:
    scans, tasks = make_plan(described)
    covered(scans, [read for task in tasks for read in task.reads])
    for scan in scans:
        borders = {border for start, end, _ in runs(scan) for border in (start, end)}
        for tensor in scan.tensors:
            extent = Extent.of(tensor)
            assert {extent.start, extent.start + extent.nbytes} <= borders
            inside = [
                measured
                for start, end, measured in runs(scan)
                if extent.start <= start and end <= extent.start + extent.nbytes
            ]
            assert inside
            assert all(inside)
        if scan.check_crc:
            assert sum(piece.nbytes for piece in scan.pieces) == scan.ref.nbytes


def test_tensors_nested_in_each_other_are_measured_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ref = StorageRef(key="0", offset=0, nbytes=800)
    scan = plan.StorageScan(ref, BY_NAME["float32"], check_crc=False)
    for at in range(100):
        tensor = record(f"w{at}", (200 - 2 * at,), storage=ref)
        scan.add(replace(tensor, storage_offset=at))
    assert len(plan._cut(scan, 32)) == 199
    monkeypatch.setattr(plan, "_MAX_SHARED", 1000)
    assert len(plan._cut(scan, 32)) == 1


@each(
    ("shape", "stride", "nbytes", "dense"),
    [
        ((2, 3), (3, 1), 24, True),
        ((3, 2), (1, 3), 24, True),
        ((2, 3), (4, 1), 28, False),
        ((2, 3), (6, 2), 44, False),
        ((2, 3), (5, 2), 40, False),  # the rows lie close, and what is in them does not
        ((2, 3), (0, 1), 12, True),
    ],
)
def test_a_run_is_dense_where_every_element_of_it_is_the_tensors(
    shape: tuple[int, ...], stride: tuple[int, ...], nbytes: int, *, dense: bool
) -> None:
    found = Extent.of(record("w", shape, stride=stride, storage_offset=2))
    assert (found.start, found.nbytes, found.dense) == (8, nbytes, dense)
