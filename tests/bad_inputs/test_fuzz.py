"""A share of the million of ``python -m tests.benchmarks.fuzz``, and the fuzzers themselves."""

from __future__ import annotations

import random

import pytest

from tests.bad_inputs.execution import LIMIT_MB, LIMIT_S, TARGETS, Tally, run_target
from tests.each import each

FEW, MANY = 150, 3000


def check(tally: Tally, executions: int) -> None:
    assert [(one.why, one.number) for one in tally.offences] == []
    assert tally.executions == executions
    assert tally.read + tally.refused == executions
    assert tally.slowest_s < LIMIT_S
    assert tally.most_mb < LIMIT_MB
    # Inputs that are all refused, or all read, would reach only half of the reader.
    assert tally.read > executions // 10
    assert tally.refused > executions // 10


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.one_in(4)
def test_inputs_that_nobody_would_write_are_read_or_refused(target: str) -> None:
    check(run_target(target, FEW), FEW)


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS)
def test_many_more_inputs_are_read_or_refused(target: str) -> None:
    check(run_target(target, MANY, seed=1), MANY)


@each("target", TARGETS)
def test_an_input_follows_from_seed_and_number(target: str) -> None:
    make, _ = TARGETS[target]
    once, again = ([make(random.Random(f"7:{n}")) for n in range(50)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 25


def test_a_reader_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads(*_: object) -> bool:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("tests.bad_inputs.execution.TARGETS", {"it": (lambda _: b"x", reads)})
    tally = run_target("it", 3)
    assert [one.number for one in tally.offences] == [0, 1, 2]
    assert all("ZeroDivisionError: by nothing" in one.why for one in tally.offences)


@pytest.mark.slow
def test_an_input_that_takes_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads(_: object, data: bytes) -> bool:
        return len(bytearray(90_000_000 if data == b"5" else 1)) > 0

    monkeypatch.setattr("tests.bad_inputs.execution.LIMIT_MB", 60.0)
    numbers = iter(range(-1, 100))
    monkeypatch.setattr(
        "tests.bad_inputs.execution.TARGETS", {"it": (lambda _: b"%d" % next(numbers), reads)}
    )
    tally = run_target("it", 9)
    assert [one.number for one in tally.offences] in ([5], [])  # [] where Linux does not tell
    assert bool(tally.offences) == (tally.most_mb > 60.0)
