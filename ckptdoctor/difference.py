"""What a comparison of two checkpoints returns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.checkpoint import Role, Scalar
from ckptdoctor.dtypes import BY_NAME, Kind
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Change", "Difference", "Movement", "Reshaped", "TensorDifference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How far some elements moved from A to B.

    Norms and distances are over the elements that are finite in both. An element that is NaN in
    both, or the same Inf, did not change; NaN or Inf against a number is a change.

    Attributes:
        numel: elements compared.
        changed: how many are not what they were.
        square_before: sum of the squares in A.
        square_moved: sum of the squares of the differences.
        largest: the largest difference.
        new_nan: NaN in B, finite in A.
        new_inf: infinite in B, finite in A.
        mended: finite in B, not in A.
    """

    numel: int = 0
    changed: int = 0
    square_before: float = 0.0
    square_moved: float = 0.0
    largest: float = 0.0
    new_nan: int = 0
    new_inf: int = 0
    mended: int = 0

    @property
    def relative(self) -> float:
        """The norm of the difference over the norm in A; ``inf`` where all of A is zero.

        NaN where elements are not finite any more, or are again, and no others tell a distance.
        """
        if not self.square_moved:
            spoiled = self.new_nan or self.new_inf or self.mended
            return math.nan if spoiled and not self.square_before else 0.0
        if not self.square_before:
            return math.inf
        return math.sqrt(self.square_moved / self.square_before)

    @classmethod
    def sum(cls, parts: Iterable[Movement]) -> Movement:
        """That of all the elements together."""
        total = cls()
        for part in parts:
            total = cls(
                numel=total.numel + part.numel,
                changed=total.changed + part.changed,
                square_before=total.square_before + part.square_before,
                square_moved=total.square_moved + part.square_moved,
                largest=max(total.largest, part.largest),
                new_nan=total.new_nan + part.new_nan,
                new_inf=total.new_inf + part.new_inf,
                mended=total.mended + part.mended,
            )
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDifference:
    """One tensor that both have, in one shape.

    Attributes:
        fqn: its name in A.
        other: its name in B.
        role: in A.
        shape: sizes of the dimensions.
        dtype: in A.
        other_dtype: in B.
        movement: how far its elements moved.
    """

    fqn: str
    other: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    other_dtype: str
    movement: Movement

    @property
    def layer(self) -> str:
        """The name without its last part, or all of it."""
        return self.fqn.rpartition(".")[0] or self.fqn

    @property
    def counts(self) -> bool:
        """Whether it counts steps or batches, so that it says nothing of how far weights moved."""
        integer = BY_NAME[self.dtype].kind in (Kind.SIGNED, Kind.UNSIGNED)
        return integer or (self.role is Role.OPTIMIZER and self.fqn.endswith(".step"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshaped:
    """A tensor that both have, in different shapes."""

    fqn: str
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value beside the tensors that is not what it was; None where it is missing."""

    key: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What moved between two checkpoints.

    Attributes:
        a: the first.
        b: the second.
        tensors: those that both have.
        added: names that only B has.
        removed: names that only A has.
        lost: names whose bytes are missing in one of them.
        reshaped: tensors whose shape changed.
        changes: values beside the tensors: epoch, step, metrics, learning rates first.
        notes: how names were matched where they are not the same.
        findings: weights that are no longer finite.
    """

    a: Path
    b: Path
    tensors: tuple[TensorDifference, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    reshaped: tuple[Reshaped, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def nothing_in_common(self) -> bool:
        """Whether no tensor could be compared."""
        return not self.tensors

    @property
    def identical(self) -> bool:
        """Whether tensors and values are all the same."""
        others = (self.added, self.removed, self.lost, self.reshaped, self.changes)
        same_types = all(tensor.dtype == tensor.other_dtype for tensor in self.tensors)
        moved = any(tensor.movement.changed for tensor in self.tensors)
        return bool(self.tensors) and same_types and not moved and not any(others)

    def total(self, role: Role = Role.MODEL) -> Movement:
        """How far all tensors of a role moved, together; counters left aside."""
        return Movement.sum(t.movement for t in self.tensors if t.role is role and not t.counts)

    def layers(self, role: Role = Role.MODEL) -> dict[str, Movement]:
        """How far each layer moved, in the order of A; counters left aside."""
        parts: dict[str, list[Movement]] = {}
        for tensor in self.tensors:
            if tensor.role is role and not tensor.counts:
                parts.setdefault(tensor.layer, []).append(tensor.movement)
        return {name: Movement.sum(movements) for name, movements in parts.items()}

    def spoiled(self, role: Role = Role.MODEL) -> int:
        """How many tensors of a role hold NaN or Inf in B where A is finite."""
        return sum(
            bool(tensor.movement.new_nan or tensor.movement.new_inf)
            for tensor in self.tensors
            if tensor.role is role and not tensor.counts
        )

    def by_distance(self, role: Role = Role.MODEL) -> list[tuple[str, Movement]]:
        """The layers: first those that are not finite any more, then by how far they moved."""
        return sorted(self.layers(role).items(), key=_nearest_last)

    def worst(self) -> Severity | None:
        """The highest severity of any finding."""
        return max((finding.severity for finding in self.findings), default=None)


def _nearest_last(layer: tuple[str, Movement]) -> tuple[bool, bool, float]:
    moved = layer[1]
    distance = moved.relative
    unknown = math.isnan(distance)
    return not (moved.new_nan or moved.new_inf), not unknown, 0.0 if unknown else -distance
