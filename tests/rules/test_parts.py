"""Findings about one file, told of the checkpoint that it is a part of."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.layouts.files import Part, PartRole
from ckptdoctor.rules.parts import of_part
from ckptdoctor.rules.verdict import verdict_of_part


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
