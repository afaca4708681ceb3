"""Weights that moved much farther than before: courses of weights on a line."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ckptdoctor.checkpoint import TensorStats
from ckptdoctor.metadata import Metric, MetricKind, Mode, Source
from ckptdoctor.runs.jumps import Jump, Mover, jumps_of
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.samples import SampledTensor, moves
from tests.runs.members import holding

LAYOUT = (("w", "float32", (2,)), ("norm.running_mean", "float32", (2,)))


def at(
    epoch: int | None,
    value: float,
    *,
    score: float | None = None,
    mode: Mode | None = Mode.MAX,
    buffer: float = 1.0,
) -> Member:
    """Weights of one value; how far two of them lie apart is their difference over the first."""
    held = {} if epoch is None else {"epoch": epoch}
    one = holding(f"e_{value}.pth" if epoch is None else f"e{epoch}.pth", held, LAYOUT)
    stats = {
        fqn: TensorStats(fqn=fqn, numel=2, min=x, max=x, sample=struct.pack("<2f", x, x))
        for fqn, x in (("w", value), ("norm.running_mean", buffer))
    }
    data = one.metadata
    if score is not None:
        metric = Metric(
            name="iou", value=score, mode=mode, kind=MetricKind.SCORE, source=Source.CONTENTS
        )
        data = replace(data, metric=metric)
    return replace(one, stats=stats, weights_id=str(value), metadata=data)


def found(members: Sequence[Member]) -> dict[str, Jump]:
    return {path.name: jump for path, jump in jumps_of(members)}


STEADY = [at(epoch, 1.0 + 0.01 * epoch) for epoch in range(8)]


def test_steady_training_makes_no_jump() -> None:
    assert found(STEADY) == {}


def test_a_jump_is_told_with_what_was_usual_and_where_it_began() -> None:
    jump = found([*STEADY, at(8, 3.0)])["e8.pth"]
    assert jump.since.path.name == "e7.pth"
    assert jump.first
    assert jump.distance.relative == pytest.approx(3.0 / 1.07 - 1)
    assert jump.distance.growth == pytest.approx(3.0 / 1.07)
    assert 0.009 < jump.usual < 0.01
    assert jump.distance.farthest == "w"


def test_what_follows_a_jump_stays_marked_until_it_is_back() -> None:
    later = [at(8, 3.0), at(9, 3.01), at(10, 1.09), at(11, 1.10), at(12, 3.0)]
    jumps = found([*STEADY, *later])
    assert {name: jump.first for name, jump in jumps.items()} == {
        "e8.pth": True,
        "e9.pth": False,
        "e12.pth": True,
    }
    assert jumps["e9.pth"].since.path.name == "e7.pth"
    assert jumps["e12.pth"].since.path.name == "e11.pth"


def test_it_is_back_where_it_is_nearer_than_half_of_what_would_be_a_jump() -> None:
    near, far = at(9, 1.07 * 1.24), at(9, 1.07 * 1.26)  # a jump is a half of the norm at least
    assert set(found([*STEADY, at(8, 3.0), near])) == {"e8.pth"}
    assert set(found([*STEADY, at(8, 3.0), far])) == {"e8.pth", "e9.pth"}


def test_half_of_the_norm_is_the_least_jump() -> None:
    assert found([*STEADY, at(8, 1.07 * 1.49)]) == {}
    assert found([*STEADY, at(8, 1.07 * 1.51)]).keys() == {"e8.pth"}


def test_where_weights_always_move_far_a_jump_is_a_multiple_of_that() -> None:
    lively = [at(epoch, 1.2**epoch) for epoch in range(6)]  # a fifth each time
    assert found([*lively, at(6, 1.2**5 * 2.19)]) == {}  # six times that, and less
    assert found([*lively, at(6, 1.2**5 * 2.21)]).keys() == {"e6.pth"}
    once = [at(0, 1.0), at(1, 1.5), *(at(epoch, 1.5 + 0.01 * epoch) for epoch in range(2, 6))]
    assert found([*once, at(6, 1.55 * 2.4)]) == {}  # it moved by a half before, once
    assert found([*once, at(6, 1.55 * 2.6)]).keys() == {"e6.pth"}


def test_after_one_interval_or_none_only_what_is_very_far_counts() -> None:
    assert found([at(0, 1.0), at(1, 10.9)]) == {}
    assert found([at(0, 1.0), at(1, 11.1)]).keys() == {"e1.pth"}
    assert found([at(0, 1.0), at(1, 1.01), at(2, 1.01 * 1.99)]) == {}
    assert found([at(0, 1.0), at(1, 1.01), at(2, 1.01 * 2.01)]).keys() == {"e2.pth"}
    assert found([at(0, 1.0), at(1, 1.2), at(2, 1.2 * 2.9)]) == {}
    assert found([at(0, 1.0), at(1, 1.2), at(2, 1.2 * 3.1)]).keys() == {"e2.pth"}


def test_epochs_that_lie_between_are_allowed_for() -> None:
    lively = [at(epoch, 1.2**epoch) for epoch in range(6)]
    assert found([*lively, at(7, 1.2**5 * 3.3)]) == {}
    assert found([*lively, at(7, 1.2**5 * 3.5)]).keys() == {"e7.pth"}
    unknown = [*lively, at(None, 1.2**5 * 3.3)]
    assert len(found(unknown)) == 1  # one epoch, where none is told


def test_a_copy_says_nothing_of_how_fast_training_moves() -> None:
    copies = [at(epoch, 1.0) for epoch in range(5)]
    assert found([*copies, at(5, 10.9)]) == {}  # as after no interval


def test_a_better_score_says_that_the_weights_moved_to_a_better_place() -> None:
    before = [*STEADY[:-1], at(7, 1.07, score=0.5)]
    assert found([*before, at(8, 3.0, score=0.6)]) == {}
    assert found([*before, at(8, 3.0, score=0.5)]).keys() == {"e8.pth"}
    assert found([*before, at(8, 3.0, score=0.4)]).keys() == {"e8.pth"}
    assert found([*before, at(8, 3.0)]).keys() == {"e8.pth"}
    lower = [*STEADY[:-1], at(7, 1.07, score=0.5, mode=Mode.MIN)]
    assert found([*lower, at(8, 3.0, score=0.4, mode=Mode.MIN)]) == {}
    assert found([*lower, at(8, 3.0, score=0.6, mode=Mode.MIN)]).keys() == {"e8.pth"}
    unknown = [*STEADY[:-1], at(7, 1.07, score=0.5, mode=None)]
    assert found([*unknown, at(8, 3.0, score=0.9, mode=None)]).keys() == {"e8.pth"}


def test_running_statistics_do_not_count() -> None:
    assert found([*STEADY, at(8, 1.08, buffer=500.0)]) == {}


def test_what_is_not_finite_or_not_known_is_passed_over() -> None:
    broken = replace(at(8, 3.0), stats={})
    assert found([*STEADY, broken, replace(at(9, 3.0), weights_id="")]) == {}
    assert found([*STEADY, broken, at(9, 3.0)])["e9.pth"].since.path.name == "e7.pth"


def test_from_all_zeros_nothing_is_a_jump() -> None:
    assert found([at(0, 0.0), at(1, 1.0), at(2, 1.01), at(3, 1.02)]) == {}
    zeros = found([at(0, 0.0), at(1, 1.0), at(2, 11.1)])
    assert zeros["e2.pth"].since.path.name == "e1.pth"
    assert zeros["e2.pth"].usual == 0.0


def test_who_looks_on_is_told_of_every_pair_that_was_looked_at() -> None:
    told: list[tuple[str, str, list[str]]] = []
    members = [*STEADY[:3], at(3, 30.0), at(4, 30.1)]
    list(
        jumps_of(
            members,
            lambda before, after, moves: told.append(
                (before.path.name, after.path.name, [move.fqn for move in moves])
            ),
        )
    )
    names = ["w", "norm.running_mean"]
    assert told == [
        ("e0.pth", "e1.pth", names),
        ("e1.pth", "e2.pth", names),
        ("e2.pth", "e3.pth", names),
        ("e2.pth", "e4.pth", names),
    ]


MIXED = (("w", "float32", (9,)), ("b", "bfloat16", (4,)), ("f", "float8_e5m2", (8,)))


def drawn(dice: random.Random, layout: Layout) -> Member:
    """Any bytes for samples; now and then a tensor was not measured, has none, or fewer."""
    one = holding("e1.pth", {}, MIXED)
    sizes = {"w": 36, "b": 8, "f": 8}
    stats = {}
    for fqn, nbytes in sizes.items():
        odd = dice.random()
        if odd > 0.15:
            nbytes = 0 if odd < 0.3 else nbytes // 2 if odd < 0.4 else nbytes  # noqa: PLW2901
            numel = dice.choice([9, 10])
            stats[fqn] = TensorStats(fqn=fqn, numel=numel, sample=dice.randbytes(nbytes))
    return replace(one, stats=stats, layout=layout)


@pytest.mark.parametrize("other", ["float16", "bfloat16"])
def test_a_tensor_that_was_saved_in_another_type_did_not_move(other: str) -> None:
    """Its samples are other bytes, fewer of them or as many."""
    dice, first = random.Random(1), (("w", "float16", (9,)), ("b", "float32", (9,)))
    second = (("w", other, (9,)), ("b", other, (9,)))
    here, there = drawn(dice, first), drawn(dice, second)
    stats = {
        fqn: TensorStats(fqn=fqn, numel=9, sample=dice.randbytes(size))
        for fqn, size in (("w", 18), ("b", 36))
    }
    here = replace(here, stats=stats)
    there = replace(there, stats=stats | {"b": replace(stats["w"], fqn="b")})
    moved = {move.fqn for move in Mover().between(here, there)}
    assert moved == ({"w"} if other == "float16" else set())


def test_how_far_tensors_moved_is_the_same_whatever_was_looked_at_before() -> None:
    dice, mover = random.Random(7), Mover()
    members = [drawn(dice, MIXED if dice.random() < 0.8 else (*MIXED,)) for _ in range(9)]
    for _ in range(300):
        before, after = dice.choices(members, k=2)
        expected = [
            SampledTensor(fqn, dtype, old.numel, old.sample, new.sample)
            for fqn, dtype, _ in MIXED
            if (old := before.stats.get(fqn)) and (new := after.stats.get(fqn))
            if old.numel == new.numel or len(old.sample) == len(new.sample)
        ]
        assert repr(mover.between(before, after)) == repr(list(moves(expected)))


def test_checkpoints_of_one_epoch_lie_one_apart() -> None:
    """Scripts save in the middle of an epoch too, and some count no epochs on."""
    within = [at(3, 1.0 + 0.01 * step) for step in range(6)]
    named = [replace(one, path=one.path.with_name(f"s{n}.pth")) for n, one in enumerate(within)]
    assert found(named) == {}
    jumped = replace(at(3, 3.0), path=named[0].path.with_name("s9.pth"))
    assert list(found([*named, jumped])) == ["s9.pth"]


def test_time_that_goes_by_behind_a_jump_heals_nothing() -> None:
    away = found([*STEADY, at(8, 3.0), at(60, 3.0), at(200, 3.0)])
    assert [(name, jump.first) for name, jump in away.items()] == [
        *(("e8.pth", True), ("e60.pth", False), ("e200.pth", False))
    ]
