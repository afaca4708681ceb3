"""What counts in a run, and the order of its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.diagnose import examine
from ckptdoctor.metadata import Source
from ckptdoctor.runs.clock import Course, counted, course_of, trainings
from ckptdoctor.runs.member import Member
from tests.builders import save
from tests.each import each
from tests.runs.members import holding, member, names, numbered

OUT_OF_ORDER = (10, 2, 9, 1)


def course(members: Iterable[Member]) -> Course:
    return course_of(counted(list(members)))


def placed(found: Course) -> list[str]:
    return names(found.members[: found.placed])


# -- what counts ---------------------------------------------------------------------------------


@each(
    "pattern",
    [
        *("heron_{}.pth", "{}.pth", "name-{:06d}.pth", "epoch2_{}.pt", "epoch_no_thresh_{}.pt"),
        *("w-{}-final.pth", "v2_epoch{}.pth", "resnet50_{}.pth", "ckpt.{}.pth", "best_{}.pth"),
        *("2024-05-01_{}.pth", "lr0.01_{}.pth", "heron{}.bin", "epoch_{}.pth", "a b {}.pt"),
        "e{}.pt",
        "heron_{}_256.pth",
        "ckpt_{}_rank0.pth",
    ],
)
def test_the_number_in_otherwise_equal_names_counts(pattern: str) -> None:
    found = course(numbered(pattern, OUT_OF_ORDER))
    assert placed(found) == [pattern.format(n) for n in sorted(OUT_OF_ORDER)]
    assert [one.metadata.epoch for one in found.members] == sorted(OUT_OF_ORDER)
    assert {one.metadata.epoch_source for one in found.members} == {Source.FILENAME}


@each(
    "pattern",
    [
        *("iter_{}0000.pth", "model_{:07d}.pth", "checkpoint-{}/model.safetensors"),
        *("global_step{}/weights.pt", "step_{}/weights.pt", "heron_{}0000.pth"),
    ],
)
def test_steps_are_ordered_and_counted_as_steps(pattern: str) -> None:
    found = course(numbered(pattern, OUT_OF_ORDER))
    steps = [one.metadata.global_step for one in found.members]
    assert found.placed == len(OUT_OF_ORDER)
    assert found.by_step
    assert None not in steps
    assert steps == sorted(steps, key=lambda step: step or 0)
    assert {one.metadata.epoch for one in found.members} == {None}


def test_steps_of_the_contents_lead() -> None:
    files = [member(f"ckpt_{n}.pt", iter_num=n) for n in (3000, 500, 20_000)]
    found = course(files)
    assert found.by_step
    assert [one.metadata.global_step for one in found.members] == [500, 3000, 20_000]


def test_a_score_in_the_name_is_no_place_in_a_run() -> None:
    found = course([member(f"model_{v}.pth") for v in ("0.711", "0.823", "0.768")])
    assert found.placed == 0
    assert {one.metadata.epoch for one in found.members} == {None}


def test_one_number_alone_counts_nothing() -> None:
    (alone,) = counted([member("heron_7.pth")])
    assert alone.metadata.epoch is None
    same = counted([member("heron_7.pth"), member("tern_7.pth")])
    assert {one.metadata.epoch for one in same} == {None}


def test_fractions_of_an_epoch_stay_fractions() -> None:
    found = course([member(f"checkpoint_{n}.pth", epoch=n / 4) for n in (5, 3, 10)])
    assert [one.metadata.epoch for one in found.members] == [0.75, 1.25, 2.5]
    named = course([member(f"epoch={e}.ckpt") for e in ("10.5", "2.5", "2.25")])
    assert [one.metadata.epoch for one in named.members] == [2.25, 2.5, 10.5]


@pytest.mark.parametrize("key", ["epoch", "ss_epoch", "current_epoch", "meta__epoch"])
def test_what_stands_in_the_file_comes_before_its_name(key: str) -> None:
    found = course([holding(f"e{n}.pth", {key: 40 - n}) for n in (1, 2, 3)])
    assert placed(found) == ["e3.pth", "e2.pth", "e1.pth"]
    text = course([holding(f"t{n}.pth", {key: str(40 - n)}) for n in (1, 2, 3)])
    assert placed(text) == ["t3.pth", "t2.pth", "t1.pth"]


def test_a_number_in_the_name_corrects_nothing_that_stands_in_the_file() -> None:
    found = course([member(f"heron_{n}.pth", epoch=5) for n in (1, 2, 3)])
    assert [one.metadata.epoch for one in found.members] == [5, 5, 5]


# -- order ---------------------------------------------------------------------------------------


def test_contents_come_before_names_and_numbers_before_strings() -> None:
    found = course_of(
        [
            member("late_step.pth", epoch=9, global_step=200),
            member("epoch_12.pth"),
            member("unplaced.pth"),
            member("e10.pth", epoch=10),
            member("e9.pth", epoch=9),
            member("z_first.pth", epoch=1),
        ]
    )
    assert placed(found) == ["z_first.pth", "e9.pth", "late_step.pth", "e10.pth", "epoch_12.pth"]
    assert names(found.members)[-1] == "unplaced.pth"


def test_the_epoch_of_an_unreadable_file_is_that_of_its_name() -> None:
    lost = member("epoch_9.pth", None)
    found = course([member("a.pth", epoch=10), lost, member("b.pth", epoch=8)])
    assert placed(found) == ["b.pth", "epoch_9.pth", "a.pth"]


@pytest.mark.parametrize("last", ["heron_last.pth", "last.pth", "latest.pth", "heron.pth"])
def test_the_last_and_the_bare_name_come_behind_those_with_numbers(last: str) -> None:
    found = course([member(last), *numbered("heron_{}.pth", OUT_OF_ORDER)])
    assert placed(found)[-1] == last
    assert found.placed == 5


def test_a_last_among_files_without_a_place_has_none() -> None:
    for files in ([member("last.pth"), member("backbone.pth")], [member("last.pth")]):
        assert course(files).placed == 0
    assert course([]) == Course()


def test_of_two_that_call_themselves_the_last_neither_is() -> None:
    files = [member("heron_last.pth"), member("heron_final.pth")]
    assert course([*files, *numbered("heron_{}.pth", OUT_OF_ORDER)]).placed == 4


def test_a_last_that_tells_its_epoch_stands_there() -> None:
    files = [*(member(f"h_{e}.pth", epoch=e) for e in (1, 2, 5)), member("last.pth", epoch=3)]
    assert placed(course(files)) == ["h_1.pth", "h_2.pth", "last.pth", "h_5.pth"]


def test_a_best_without_a_place_is_given_none() -> None:
    found = course([member("heron_best.pth"), *numbered("heron_{}.pth", OUT_OF_ORDER)])
    assert "heron_best.pth" not in placed(found)


def test_the_time_of_modification_counts_for_nothing(tmp_path: Path) -> None:
    for at, name in enumerate(("b.pth", "a.pth")):
        save(tmp_path / name, {"epoch": at, "model": {"w": torch.ones(3)}})
        os.utime(tmp_path / name, (1000 - at, 1000 - at))
    report = examine([tmp_path / "a.pth", tmp_path / "b.pth"])
    assert [row.path.name for row in report.runs[0].checkpoints] == ["b.pth", "a.pth"]


counters = st.fixed_dictionaries(
    {},
    optional={
        "epoch": st.one_of(st.integers(0, 30), st.floats(0, 30)),
        "global_step": st.integers(0, 10_000),
    },
)
kinds = st.sampled_from(["heron_{}.pth", "epoch_{}.pth", "step_{}.pth", "last.pth", "best.pth"])


@st.composite
def files(draw: st.DrawFn) -> list[Member]:
    """Files of one folder, some with an epoch or a step, some with neither."""
    told = draw(st.dictionaries(st.integers(0, 40), st.tuples(kinds, counters), max_size=9))
    made = {kind.format(n): holding(kind.format(n), held) for n, (kind, held) in told.items()}
    return list(made.values())


@given(st.data(), files())
def test_the_order_of_a_run_does_not_depend_on_the_order_of_its_files(
    data: st.DataObject, made: list[Member]
) -> None:
    mixed = data.draw(st.permutations(made))
    assert course(made) == course(mixed)


@given(files())
def test_no_file_is_lost_from_a_course_and_what_counts_never_falls(made: list[Member]) -> None:
    found = course(made)
    assert sorted(names(found.members)) == sorted(names(made))
    values = [
        one.metadata.global_step if found.by_step else one.metadata.epoch
        for one in found.members[: found.placed]
    ]
    told = [value for value in values if value is not None]
    assert told == sorted(told)
    assert None not in values[: len(told)], "only the last file may have no count"


# -- second trainings ----------------------------------------------------------------------------


def steps(rows: Sequence[tuple[float, int]]) -> list[Member]:
    return [member(f"ckpt_{s}.pt", epoch=e, global_step=s) for e, s in rows]


def shapes(parts: Sequence[Sequence[Member]]) -> list[list[int]]:
    return [sorted(one.metadata.global_step or 0 for one in part) for part in parts]


FIRST = [(0, 510), (1, 690), (2, 874)]
SECOND = [(0, 1010), (1, 1260), (2, 1515)]
THIRD = [(0, 2020), (3, 4040), (6, 7070)]


@pytest.mark.parametrize(
    "rows",
    [
        [FIRST, SECOND],
        [FIRST, SECOND, THIRD],
        [[(4.5, 100), (6.25, 200)], [(0.5, 300), (1.5, 400), (2.5, 500)]],
    ],
)
def test_steps_that_go_on_while_the_epoch_falls_back_are_a_second_training(
    rows: list[list[tuple[float, int]]],
) -> None:
    every = steps([row for part in rows for row in part])
    wanted = [[step for _, step in part] for part in rows]
    assert shapes(trainings(every)) == wanted
    assert shapes(trainings(every[::-1])) == wanted


@pytest.mark.parametrize(
    "rows",
    [
        [(epoch, 200 * epoch + 7) for epoch in range(9)],  # as usual
        [(epoch // 3, 50 * epoch) for epoch in range(9)],  # several an epoch
        [(epoch, 100 * (at + 1)) for epoch in range(4) for at in range(3)],
        [(epoch, 100 * (at + 1)) for epoch in range(3) for at in range(4)],
        [(epoch, 640) for epoch in range(5)],  # the steps of an epoch
    ],
)
def test_one_training_stays_one(rows: list[tuple[float, int]]) -> None:
    every = [
        member(f"e{at}.pt", epoch=epoch, global_step=step) for at, (epoch, step) in enumerate(rows)
    ]
    assert len(trainings(every)) == 1


def test_where_steps_begin_anew_with_each_epoch_the_epoch_leads() -> None:
    rows = [(epoch, 100 * at) for epoch in range(1, 6) for at in (1, 2)]
    every = [member(f"e{e}_{s}.pt", epoch=e, global_step=s) for e, s in rows]
    assert placed(course(every[::-1])) == names(every)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 999)), max_size=12, unique=True))
def test_every_file_is_of_one_training(rows: list[tuple[int, int]]) -> None:
    every = [
        member(f"e{at}.pt", epoch=epoch, global_step=step) for at, (epoch, step) in enumerate(rows)
    ]
    found = [one.path for part in trainings(every) for one in part]
    assert sorted(found) == sorted(one.path for one in every)
