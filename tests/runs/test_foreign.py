"""A part that another checkpoint has too: whose it is, where that can be told."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.metadata import Metadata
from ckptdoctor.runs.foreign import strange_parts
from ckptdoctor.runs.member import Member, PartContents

Told = dict[str, list[tuple[str, str, bool]]]


def member(step: int, *, by_step: bool = True, **parts: tuple[str, float | None]) -> Member:
    """A checkpoint whose parts hold what a letter stands for, after so many steps."""
    held = {
        name: PartContents(name=f"{name}.pt", contents_id=letter, steps=steps)
        for name, (letter, steps) in parts.items()
    }
    data = Metadata(global_step=step if by_step else None)
    return Member(path=Path(f"/run/step-{step}"), metadata=data, parts=held)


def told(*members: Member) -> Told:
    return {
        path.name: [(part.name, part.other.path.name, part.is_foreign) for part in found]
        for path, found in strange_parts(members)
    }


def test_nobody_can_tell_whose_a_shard_is() -> None:
    found = told(
        member(1, a=("p", None), b=("x", None)),
        member(2, a=("q", None), b=("y", None)),
        member(3, a=("q", None), b=("z", None)),
    )
    assert found == {
        "step-2": [("a.pt", "step-3", False)],
        "step-3": [("a.pt", "step-2", False)],
    }


def test_an_optimizer_is_whose_steps_it_took() -> None:
    found = told(
        member(10, model=("p", None), optimizer=("x", 10.0)),
        member(20, model=("q", None), optimizer=("y", 20.0)),
        member(30, model=("r", None), optimizer=("y", 20.0)),
    )
    assert found == {"step-30": [("optimizer.pt", "step-20", True)]}


def test_the_other_files_of_a_checkpoint_tell_its_steps_where_it_does_not() -> None:
    found = told(
        member(1, by_step=False, a=("p", 10.0), b=("x", 10.0)),
        member(2, by_step=False, a=("q", 20.0), b=("y", 20.0)),
        member(3, by_step=False, a=("q", 20.0), b=("z", 30.0)),
    )
    assert found == {"step-3": [("a.pt", "step-2", True)]}


def test_nothing_of_parts_that_stand_still_or_of_copies_as_a_whole() -> None:
    frozen = [member(at, a=("p", None), b=(f"x{at}", None)) for at in range(4)]
    assert told(*frozen) == {}
    thawed = [member(at, a=("p" if at < 3 else "q", None), b=(f"x{at}", None)) for at in range(5)]
    assert told(*thawed) == {}
    copied = [member(at, a=(f"p{min(at, 2)}", None), b=(f"x{min(at, 2)}", None)) for at in range(4)]
    assert told(*copied) == {}
    assert (
        told(member(1, a=("p", None), b=("x", None)), member(2, a=("p", None), b=("y", None))) == {}
    )


def test_a_schedule_counts_only_where_it_tells_whose_it_is() -> None:
    def scheduled(step: int, letter: str, steps: float) -> Member:
        one = member(step, model=(f"m{step}", None))
        part = PartContents(name="sched.pt", contents_id=letter, steps=steps, changes=False)
        return Member(path=one.path, metadata=one.metadata, parts={**one.parts, "sched": part})

    by_epoch = [scheduled(100, "a", 1.0), scheduled(200, "a", 1.0), scheduled(300, "b", 2.0)]
    assert told(*by_epoch) == {}
    swapped = [scheduled(10, "a", 10.0), scheduled(20, "b", 20.0), scheduled(30, "b", 20.0)]
    assert told(*swapped) == {"step-30": [("sched.pt", "step-20", True)]}
