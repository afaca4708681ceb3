"""Objects made many at once are those that the constructor makes."""

from __future__ import annotations

import gc
from itertools import repeat

import pytest

from ckptdoctor.bulk import few_collections, instances
from ckptdoctor.checkpoint import StorageRef


def test_many_at_once_are_those_of_the_constructor() -> None:
    names = ["a", "b", "c"]
    made = instances(
        StorageRef,
        3,
        key=names,
        offset=range(3),
        nbytes=repeat(8),
        crc32=repeat(None),
        deflated_nbytes=repeat(None),
        inline=repeat(None),
        text_nbytes=repeat(None),
    )
    assert made == [StorageRef(key=name, offset=at, nbytes=8) for at, name in enumerate(names)]


def test_a_field_that_is_left_out_is_refused() -> None:
    with pytest.raises(TypeError, match="not the fields of StorageRef"):
        instances(StorageRef, 1, key=["a"], offset=[0], nbytes=[1])


def test_collections_are_few_while_anybody_asks_for_it_and_then_as_before() -> None:
    before = gc.get_threshold()
    first, second = few_collections(), few_collections()
    first.__enter__()
    second.__enter__()  # from another thread, say: they need not end in turn
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == 100 * before[0]
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before


def test_what_the_caller_sets_meanwhile_stays() -> None:
    before = gc.get_threshold()
    try:
        with few_collections():
            gc.set_threshold(7)
        assert gc.get_threshold()[0] == 7
    finally:
        gc.set_threshold(*before)
