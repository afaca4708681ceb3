"""What a folder holds of a checkpoint, put together from what lies in it and below it."""

from __future__ import annotations

from typing import NamedTuple

from ckptdoctor.checkpoint import Problem
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Absent, Form, Index, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Found", "Place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Parts of a checkpoint, and what is wrong about them.

    Attributes:
        parts: the files, those that are loaded first.
        absent: what an index, or the numbers in the names, say should be there.
        problems: what does not go together.
        indexes: what lies in which shard, where that is said.
    """

    parts: tuple[Part, ...] = ()
    absent: tuple[Absent, ...] = ()
    problems: tuple[Problem, ...] = ()
    indexes: tuple[Index, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts or self.absent)

    def __add__(self, other: Found) -> Found:
        return Found(
            parts=self.parts + other.parts,
            absent=self.absent + other.absent,
            problems=self.problems + other.problems,
            indexes=self.indexes + other.indexes,
        )


class Place(NamedTuple):
    """Where parts lie, and what they are to the checkpoint.

    Attributes:
        folder: that holds them.
        at: its path from the checkpoint's folder: "" or ``unet/``.
        prefix: put before the names of their tensors.
        role: of the parts.
    """

    folder: Folder
    at: str = ""
    prefix: str = ""
    role: PartRole = PartRole.MODEL

    def beside(self, label: str) -> Place:
        """The same place for what lies there as well, and nothing depends on."""
        return self._replace(prefix=f"{self.prefix}{label}.", role=PartRole.CUSTOM)

    def part(self, name: str, prefix: str = "") -> Part:
        """A file of weights."""
        return Part(
            path=self.folder.path / name,
            name=self.at + name,
            role=self.role,
            prefix=self.prefix + prefix,
            needed=self.role is not PartRole.CUSTOM,
        )

    def absent(self, name: str, because: str, tensors: tuple[str, ...] = ()) -> Absent:
        """A file of weights that should be there."""
        return Absent(
            name=self.at + name,
            role=self.role,
            because=because,
            tensors=tuple(self.prefix + tensor for tensor in tensors),
        )

    def text(self, name: str, role: PartRole = PartRole.STATE, *, needed: bool = True) -> Part:
        """A file that layouts alone read."""
        return Part(
            path=self.folder.path / name,
            name=self.at + name,
            role=role,
            form=Form.TEXT,
            needed=needed,
        )

    def problem(
        self, name: str, message: str, *, severity: Severity, remedy: str = "", role: str = ""
    ) -> Problem:
        """What is wrong with a file, or with what it says.

        Args:
            name: of the file.
            message: a sentence that names it.
            severity: of the finding.
            remedy: what to do.
            role: of the tensors that it costs, where it costs any.
        """
        part = self.at + name
        return Problem(
            code="CD104",
            severity=severity,
            subject=part,
            message=message,
            evidence={"part": part} | ({"role": role} if role else {}),
            remedy=remedy,
        )
