"""Objects made many at once are those that the constructor makes."""

from __future__ import annotations

from itertools import repeat

import pytest

from ckptdoctor.bulk import instances
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
