"""Findings about one file, told of the checkpoint that it is a part of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole, Pointer
from ckptdoctor.metadata import Metadata
from ckptdoctor.rules import Case
from ckptdoctor.rules.parts import DanglingPointer, IncompleteCheckpoint, of_part
from ckptdoctor.rules.verdict import verdict_of_part
from ckptdoctor.runs.run import Run
from tests.cases import case, checkpoint
from tests.reports import report


def damaged(role: Role) -> Finding:
    """What a reader says of a chunk whose checksum is another."""
    return Finding(
        code="CD103",
        severity=Severity.ERROR,
        subject="w.exp_avg",
        message="checksum mismatch",
        evidence={"role": role.value, "tensors": ["w.exp_avg"]},
        remedy="",
    )


def test_a_file_of_weights_and_moments_costs_what_its_damaged_tensor_costs() -> None:
    part = Part(path=Path("__0_0.distcp"), name="__0_0.distcp", role=PartRole.MODEL)
    weight = TensorRecord(
        fqn="w",
        dtype="float32",
        shape=(2,),
        stride=(1,),
        storage_offset=0,
        storage=None,
        role=Role.MODEL,
    )
    told = of_part(damaged(Role.OPTIMIZER), part)
    assert (told.evidence["part_role"], told.evidence["role"]) == ("model", "optimizer")
    assert verdict_of_part([told], [weight]) is Verdict.SALVAGEABLE
    assert verdict_of_part([of_part(damaged(Role.MODEL), part)], [weight]) is Verdict.CORRUPT


def test_what_an_index_names_beyond_a_bound_is_told_as_one_for_each_role() -> None:
    """An index may name a million files; what is needed is named first."""
    roles = (PartRole.RNG, PartRole.MODEL, PartRole.OPTIMIZER)
    absent = [
        Absent(name=f"{role.value}_{at}", role=role, because="-")
        for role in roles
        for at in range(400)
    ]
    case = Case(
        checkpoint=checkpoint(),
        stats={},
        problems=(),
        unchecked=0,
        metadata=Metadata(),
        files=CheckpointFiles(path=Path("model"), layout="shards", absent=tuple(absent)),
    )
    found = [*IncompleteCheckpoint().check(case)]
    named = [one for one in found if one.subject != "file"]
    more = {one.evidence["role"]: one for one in found if one.subject == "file"}
    assert {one.severity for one in named} == {Severity.ERROR}
    assert {role: one.evidence["count"] for role, one in more.items()} == {
        "optimizer": 800 - len(named),
        "rng": 400,
    }
    assert more["optimizer"].severity is Severity.ERROR
    assert more["rng"].severity is Severity.WARNING
    assert more["rng"].message.startswith("400 more parts are missing: ")
    assert len(found) < 600


def test_a_pointer_that_leads_nowhere_is_told_once() -> None:
    """Of the run where it lies beside the checkpoints, of a checkpoint where it lies in that."""
    beside = Pointer(path=Path("/run/latest"), target="global_step3", leads_to=None)
    inside = Pointer(path=Path("/run/global_step2/latest"), target="x", leads_to=None)
    sound = Pointer(path=Path("/run/last"), target="a", leads_to=Path("/run/global_step2"))
    run = Run(pointers=(beside, inside, sound))
    row = report("/run/global_step2")
    told = [*DanglingPointer().check_run(run, [row])]
    assert [one.evidence["path"] for one in told] == [str(beside.path)]
    own = replace(case(), checkpoint=checkpoint(path=str(row.path)), run=run)
    told = [*DanglingPointer().check(own)]
    assert [one.evidence["path"] for one in told] == [str(inside.path)]
    other = replace(own, checkpoint=checkpoint(path="/run/global_step1"))
    assert [*DanglingPointer().check(other)] == []
