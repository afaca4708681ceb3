"""What a walk through the tree of a pickle found."""

from __future__ import annotations

from dataclasses import field

from ckptdoctor.checkpoint import Problem, Scalar, TensorRecord
from ckptdoctor.finding import Severity
from ckptdoctor.formats.paths import Link
from ckptdoctor.formats.pickle.nodes import Located
from ckptdoctor.formats.raw import RawTensor
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Harvest", "Leaf", "passed_over"]


@dataclass(slots=True)
class Leaf:
    """A tensor and where it was found."""

    link: Link
    name: str
    tensor: RawTensor


@dataclass(slots=True)
class Harvest:
    """What a walk found."""

    tensors: list[TensorRecord] = field(default_factory=list)
    scalars: dict[str, Scalar] = field(default_factory=dict)
    located: dict[str, Located] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def passed_over(count: int, most: int) -> Problem:
    """That there are more values than are listed."""
    return Problem(
        code="CD107",
        severity=Severity.INFO,
        subject="pickle",
        message=f"{count} numbers and texts beyond the first {most} are not listed",
        evidence={"passed_over": count},
    )
