"""What is fetched ahead: how much of it lies in memory, and that memory is used again."""

from __future__ import annotations

import threading

import pytest

from ckptdoctor.sources import fetching
from ckptdoctor.sources.fetching import Segment, Window
from ckptdoctor.sources.rooms import Rooms

MB = 1_000_000


@pytest.mark.parametrize("nbytes", [10, 3 * MB])
def test_memory_that_somebody_looks_at_is_nobody_elses(nbytes: int) -> None:
    rooms = Rooms()
    first = rooms.room(nbytes)
    first[:] = b"a" * nbytes
    end = first[-5:]
    del first
    second = rooms.room(nbytes)
    second[:] = b"b" * nbytes
    assert len(second) == nbytes
    assert bytes(end) == b"aaaaa"


def test_memory_is_used_again_until_all_is_done() -> None:
    rooms = Rooms()
    first = rooms.room(3 * MB)
    first[0] = 7
    del first
    again = rooms.room(3 * MB - 1000)
    assert again[0] == 7, "a new piece holds zeros"
    rooms.clear()
    del again  # nobody asks for more: it goes back to the system
    assert rooms.room(3 * MB)[0] == 0


def test_a_small_range_does_not_sit_in_a_large_piece() -> None:
    rooms = Rooms()
    rooms.room(30 * MB)[0] = 7
    assert rooms.room(2 * MB)[0] == 0


def test_no_more_is_fetched_ahead_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_HELD_NBYTES", 100)
    window, asked, goes_on = Window(), [], threading.Event()

    def fetch(start: int, end: int) -> bytes:
        asked.append(start)
        goes_on.wait()
        return bytes(end - start)

    ranges = [Segment(fetch, at, at + 30, 30, 30) for at in range(0, 300, 30)]
    window.add(ranges)
    under_way = [one for one in ranges if one.bytes is not None]
    assert under_way == ranges[:3]
    goes_on.set()
    for at, one in enumerate(ranges):
        assert len(window.take(one)) == 30
        assert sum(other.bytes is not None for other in ranges) <= 3
        assert window.note_read(one, 30)
        window.drop(one)
        assert all(other.bytes is not None for other in ranges[at + 1 : at + 4])
    assert sorted(asked) == list(range(0, 300, 30))
