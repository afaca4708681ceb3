"""What the others of a run need to know of a checkpoint, before it is put away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Role, Scalar, TensorStats
from ckptdoctor.keeper import Keeper
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.manifest import manifest_path, manifest_text
from ckptdoctor.measure import Examination
from ckptdoctor.metadata import Metadata, Source
from ckptdoctor.rules import Case
from ckptdoctor.rules.base import PartCase
from ckptdoctor.runs.member import Member
from tests.cases import case, checkpoint, measured, problem, record

ROOT = Path("/no/such/run/checkpoint-300")


def kept(case: Case) -> Member:
    return Keeper(Examination()).kept(case)[0]


def one_number(fqn: str, value: float) -> tuple[str, TensorStats]:
    stats = TensorStats(
        fqn=fqn, numel=1, nan=0, posinf=0, neginf=0, min=value, max=value, first_bad_index=None
    )
    return fqn, stats


def part_of(
    name: str,
    role: PartRole,
    numbers: dict[str, float] | None = None,
    scalars: dict[str, Scalar] | None = None,
    sibling: str = "",
) -> PartCase:
    """A file of a checkpoint, with tensors of one number each."""
    part = Part(path=ROOT / name, name=name, role=role, sibling=sibling)
    known = {PartRole.MODEL: Role.MODEL, PartRole.OPTIMIZER: Role.OPTIMIZER}
    tensors = [record(fqn, (), role=known.get(role, Role.OTHER)) for fqn in numbers or {}]
    held = Case(
        checkpoint=checkpoint(tensors, path=str(ROOT / name), scalars=scalars),
        stats=dict(one_number(*pair) for pair in (numbers or {}).items()),
        problems=(),
        unchecked=0,
        metadata=Metadata(),
    )
    return PartCase(part=part, case=held)


def of_parts(*parts: PartCase, absent: tuple[Absent, ...] = ()) -> Case:
    """A folder of several files."""
    files = CheckpointFiles(
        path=ROOT, layout="shards", parts=tuple(one.part for one in parts), absent=absent
    )
    inside = [one.case for one in parts if one.case is not None]
    return Case(
        checkpoint=checkpoint([t for one in inside for t in one.checkpoint.tensors]),
        stats={fqn: stats for one in inside for fqn, stats in one.stats.items()},
        problems=(),
        unchecked=0,
        metadata=Metadata(),
        files=files,
        parts=parts,
    )


def test_flipped_bits_say_nothing_of_the_weights_that_were_saved() -> None:
    whole = kept(case(measured("w")))
    flipped = kept(case(measured("w"), problems=[problem("CD103", "w")]))
    cut = kept(case(measured("w"), problems=[problem("CD102", "w")]))
    assert whole.weights_id
    assert (flipped.stats, flipped.weights_id) == ({}, "")
    assert (cut.stats, cut.weights_id) == (whole.stats, whole.weights_id)


def test_a_folder_without_a_model_has_none_and_one_that_lost_it_had_one() -> None:
    optimizer = part_of("optimizer.pt", PartRole.OPTIMIZER, {"state.0.step": 300.0})
    shard = Absent(name="model.safetensors", role=PartRole.MODEL, because="its index names it")
    rng = Absent(name="rng_state.pth", role=PartRole.RNG, because="all others have it")
    for absent in ((), (rng,)):
        never = kept(of_parts(optimizer, absent=absent))
        assert (never.has_weights, never.layout) == (False, ())
    lost = kept(of_parts(optimizer, absent=(shard,)))
    assert (lost.has_weights, lost.layout) == (True, None)


def test_what_an_optimizer_counts_are_its_steps_and_no_moments() -> None:
    numbers = {"state.0.step": 300.0, "state.1.step": 299.0, "state.0.exp_avg_sq": 5e6}
    optimizer = part_of("optimizer.pt", PartRole.OPTIMIZER, numbers)
    weights = part_of("model.bin", PartRole.MODEL, {"w.step": 7e6})
    parts = kept(of_parts(optimizer, weights)).parts
    assert parts["optimizer.pt"].steps == 300.0
    assert parts["model.bin"].steps is None


def test_two_checkpoints_may_have_the_same_schedule_and_not_the_same_moments() -> None:
    optimizer = part_of("optimizer.pt", PartRole.OPTIMIZER, {"state.0.step": 300.0})
    schedule = part_of("scheduler.pt", PartRole.SCHEDULER, scalars={"last_epoch": 300})
    other = part_of("scheduler.pt", PartRole.SCHEDULER, scalars={"last_epoch": 200})
    random = part_of("rng_state.pth", PartRole.RNG, {"cpu": 1.0})
    parts = kept(of_parts(optimizer, schedule, random)).parts
    assert {name: one.changes for name, one in parts.items()} == {
        "optimizer.pt": True,
        "scheduler.pt": False,
    }
    assert parts["scheduler.pt"].steps == 300
    assert parts["scheduler.pt"] != kept(of_parts(optimizer, other)).parts["scheduler.pt"]


def test_parts_of_two_checkpoints_are_held_against_each_other_by_the_name_that_both_have() -> None:
    name, shared = "iter_300_optim.pt", "iter_*_optim.pt"
    optimizer = part_of(name, PartRole.OPTIMIZER, {"state.0.step": 300.0}, sibling=shared)
    parts = kept(of_parts(optimizer)).parts
    assert [(known, one.name) for known, one in parts.items()] == [(shared, name)]


def test_a_copy_stands_where_its_source_stood_which_had_it_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "best_model_clean.pth"
    path.write_bytes(b"weights")
    manifest_path(path).write_text(
        manifest_text(
            source=path.with_name("unet_88.pth"),
            source_sha256="0" * 64,
            destination=path,
            sha256="0" * 64,
            nbytes=7,
            epoch=88,
            actions=[],
            trusted=True,
        )
    )
    copy = replace(case(), checkpoint=checkpoint(path=str(path)))
    told = kept(copy).metadata
    assert (told.epoch, told.epoch_source) == (88, Source.FILENAME)
    held = replace(copy, metadata=Metadata(epoch=12, epoch_source=Source.CONTENTS))
    assert kept(held).metadata == held.metadata


def test_few_tensors_are_kept_as_they_are_and_of_many_keepers_none() -> None:
    small, many = case(measured("w")), case(tensors=[record(f"w{at}") for at in range(20_001)])
    first = Keeper(Examination())
    assert [first.kept(one)[1] is one for one in (small, many, small)] == [True, False, False]
    assert Keeper(Examination(), one_of_many=True).kept(small)[1] is not small
    assert Keeper(Examination(keep_details=True), one_of_many=True).kept(many)[1] is many
