"""What all others of a run have is missed in the one that lacks it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole, single
from ckptdoctor.layouts.siblings import with_siblings
from tests.layouts.claims import touch

WHOLE = {"model.pt": PartRole.MODEL, "optimizer.pt": PartRole.OPTIMIZER, "rng.pth": PartRole.RNG}


def checkpoint(path: Path, parts: Mapping[str, PartRole], *absent: Absent) -> CheckpointFiles:
    return CheckpointFiles(
        path=path,
        layout="any",
        parts=tuple(Part(path=path / n, name=n, role=role) for n, role in parts.items()),
        absent=absent,
    )


def run(*names: Iterable[str], folder: str = "checkpoint-{}") -> list[CheckpointFiles]:
    """A checkpoint for each list of names."""
    root = Path("/run")
    return [
        checkpoint(root / folder.format(at), {name: WHOLE[name] for name in own})
        for at, own in enumerate(names, start=1)
    ]


def lacking(found: Sequence[CheckpointFiles]) -> list[dict[str, PartRole]]:
    return [{one.name: one.role for one in files.absent} for files in with_siblings(found)]


def test_a_part_that_all_others_have() -> None:
    found = run(WHOLE, WHOLE, ["model.pt"])
    assert lacking(found) == [
        {},
        {},
        {"optimizer.pt": PartRole.OPTIMIZER, "rng.pth": PartRole.RNG},
    ]
    assert with_siblings(found)[2].absent[0].because == "the 2 others of the run have it"
    assert with_siblings(run(WHOLE, ["model.pt"]))[1].absent[0].because == "checkpoint-1 has it"


def test_nothing_where_one_other_lacks_it_too() -> None:
    assert lacking(run(WHOLE, ["model.pt", "rng.pth"], ["model.pt", "rng.pth"])) == [{}, {}, {}]


def test_nothing_of_another_family_or_folder() -> None:
    alone = checkpoint(Path("/run/best"), {"model.pt": PartRole.MODEL})
    elsewhere = checkpoint(Path("/other/checkpoint-3"), {"model.pt": PartRole.MODEL})
    assert lacking([*run(WHOLE, WHOLE), alone, elsewhere]) == [{}, {}, {}, {}]


def test_what_is_known_to_be_absent_is_told_once() -> None:
    told = Absent(name="optimizer.pt", role=PartRole.OPTIMIZER, because="an index names it")
    lame = checkpoint(Path("/run/checkpoint-3"), {"model.pt": PartRole.MODEL}, told)
    found = with_siblings([*run(WHOLE, WHOLE), lame])[2]
    assert [one.name for one in found.absent] == ["optimizer.pt", "rng.pth"]


def test_another_number_of_shards_holds_the_same_weights() -> None:
    two = {"a-1-of-2": PartRole.MODEL, "a-2-of-2": PartRole.MODEL}
    one = {"a": PartRole.MODEL}
    found = [checkpoint(Path(f"/run/step-{n}"), own) for n, own in enumerate((two, two, one))]
    assert lacking(found) == [{}, {}, {}]
    half = checkpoint(Path("/run/step-3"), {"a-1-of-2": PartRole.MODEL})
    assert lacking([*found[:2], half]) == [{}, {}, {"a-2-of-2": PartRole.MODEL}]


@pytest.mark.parametrize("needed", [True, False])
def test_a_part_counts_by_its_name_among_siblings_and_if_it_is_needed(needed: bool) -> None:
    def pair(at: int, *, whole: bool) -> CheckpointFiles:
        path = Path(f"/run/model_{at}.pth")
        names = {path.name: ("model.pth", PartRole.MODEL)}
        names |= {f"optim_{at}.pth": ("optim.pth", PartRole.OPTIMIZER)} if whole else {}
        parts = tuple(
            Part(path=Path("/run") / n, name=n, role=role, sibling=same, needed=needed)
            for n, (same, role) in names.items()
        )
        return CheckpointFiles(path=path, layout="pair", parts=parts)

    found = [pair(1, whole=True), pair(2, whole=True), pair(3, whole=False)]
    assert lacking(found) == [{}, {}, {"optim_3.pth": PartRole.OPTIMIZER} if needed else {}]


@pytest.mark.parametrize(
    ("model", "other"),
    [
        ("checkpoint{}-shard0.pt", "checkpoint{}-shard1.pt"),
        ("checkpoint{}-shard1.pt", "checkpoint{}-shard0.pt"),
        ("model{}.pt", "ema_0.9999_{}.pt"),
        ("epoch_{}_rank_2.pt", "epoch_{}_rank_1.pt"),
    ],
)
def test_what_is_missed_is_called_as_in_its_own_checkpoint(model: str, other: str) -> None:
    def files(step: int, *names: str) -> CheckpointFiles:
        parts = tuple(
            Part(
                path=Path("/run") / name.format(step),
                name=name.format(step),
                role=PartRole.EMA,
                sibling=name,
            )
            for name in names
        )
        return CheckpointFiles(path=parts[0].path, layout="any", parts=parts)

    found = [files(1, model, other), files(2, model, other), files(3, model)]
    assert lacking(found) == [{}, {}, {other.format(3): PartRole.EMA}]


def test_single_files_pass_through() -> None:
    found = [single(Path("/run/a.pth")), single(Path("/run/b.pth"))]
    assert with_siblings(found) == found


def test_of_one_that_is_named_alone_the_others_are_looked_up(tmp_path: Path) -> None:
    from ckptdoctor.runs.discover import checkpoint_at

    names = ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    touch(tmp_path / "global_step1", names)
    touch(tmp_path / "global_step2", names[:1])
    assert [one.name for one in checkpoint_at(tmp_path / "global_step2").absent] == [names[1]]


def test_where_the_user_named_several_no_others_are_asked(tmp_path: Path) -> None:
    from ckptdoctor.runs.discover import discover

    names = ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    for step, own in ((1, names), (2, names[:1]), (3, names[:1])):
        touch(tmp_path / f"global_step{step}", own)
    found = discover([tmp_path / "global_step1", tmp_path / "global_step2"]).checkpoints
    told = {files.path.name: [one.name for one in files.absent] for files in found}
    assert told == {"global_step1": [], "global_step2": [names[1]]}
    every = discover([tmp_path]).checkpoints
    assert not any(files.absent for files in every)  # two of three have none


def test_what_no_checkpoint_of_the_run_has_is_not_missed_where_a_layout_would_expect_it() -> None:
    index = Absent(name="index.json", role=PartRole.STATE, because="-", unless_usual=True)
    shards = {"a-1-of-2": PartRole.MODEL, "a-2-of-2": PartRole.MODEL}
    bare = [checkpoint(Path(f"/run/step-{n}"), shards, index) for n in range(3)]
    assert lacking(bare) == [{}, {}, {}]
    assert lacking(bare[:1]) == [{"index.json": PartRole.STATE}]
    whole = checkpoint(Path("/run/step-3"), shards | {"index.json": PartRole.STATE})
    assert lacking([bare[0], whole, replace(whole, path=Path("/run/step-4"))])[0] == {
        "index.json": PartRole.STATE
    }
