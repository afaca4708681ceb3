"""A checkpoint as the files that it consists of; a single file is the smallest of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

from ckptdoctor.checkpoint import Problem, Role, Scalar
from ckptdoctor.formats.dcp.described import DcpMetadata
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.layouts.zero_shares import ZeroShare
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "Absent",
    "CheckpointFiles",
    "Form",
    "Index",
    "Member",
    "Part",
    "PartRole",
    "Pointer",
    "single",
]


class PartRole(enum.Enum):
    """What a part of a checkpoint holds, and so what it costs to lose it."""

    MODEL = "model"
    EMA = "ema"
    OPTIMIZER = "optimizer"
    SCALER = "scaler"
    SCHEDULER = "scheduler"
    RNG = "rng"
    STATE = "state"  # where the training stands: trainer_state.json, an index, a counter
    ARGS = "args"
    CUSTOM = "custom"  # objects that the script registered


class Form(enum.Enum):
    """How a part is read."""

    TENSORS = "tensors"  # as a checkpoint file
    TEXT = "text"  # by the layout alone: JSON, YAML, a number
    JSON = "json"  # values that are partly pickles, as Stable-Baselines3 keeps them
    DCP = "dcp"  # slices of a .distcp file, which the folder's .metadata describes; and that file


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a part lies in an archive.

    Attributes:
        start: its first byte in the archive.
        nbytes: its size there.
        plain_nbytes: its size once it is inflated; None where it lies there as it is.
    """

    start: int
    nbytes: int
    plain_nbytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a checkpoint.

    Attributes:
        path: the file.
        name: the file as the checkpoint knows it: its path from the folder, with slashes.
        role: what it holds.
        form: how it is read.
        prefix: put before the names of its tensors and values: ``optimizer.``; "" for a model's.
        role_of: what a tensor of it is, by its name in the file, where the framework says more than
            ``role``; None to go by ``role``, or, for a model, by what the reader says.
        sibling: the name that the part has in every checkpoint of the run; "" for ``name``. Numbers
            of steps are left out, those of ranks and shards stay.
        needed: whether it is missed where a sibling has it and this checkpoint does not.
        member: where it lies in ``path``, where that is an archive of several; None for a file.
        is_unique: whether a text tells of one save, so that no two checkpoints have the same.
        described: for ``Form.DCP``: what the ``.metadata`` says that it holds; of a ``.metadata``,
            all that it says; None for one that could not be read. Of a file of a
            rank: which share of a ZeRO checkpoint it holds.
    """

    path: Path
    name: str
    role: PartRole
    form: Form = Form.TENSORS
    prefix: str = ""
    role_of: Callable[[str], Role | None] | None = None
    sibling: str = ""
    needed: bool = True
    member: Member | None = None
    is_unique: bool = False
    described: FileSlices | DcpMetadata | ZeroShare | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A part that is not there, though something says that it should be.

    Attributes:
        name: the file, as the checkpoint knows it.
        role: what it would hold.
        because: who says so: ``model.safetensors.index.json names it``.
        tensors: those that it costs, as far as they are known.
        problem: what is wrong instead, where the file is there and is not what it should be; "".
        unless_usual: whether it is not missed where no other checkpoint of the run has it.
    """

    name: str
    role: PartRole
    because: str
    tensors: tuple[str, ...] = ()
    problem: str = ""
    unless_usual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What an index says of the shards that are there; whether it is so, their readers know.

    Attributes:
        name: the file, as the checkpoint knows it.
        mapped: by the part's name, the tensors that should lie in it, as the file names them.
        nbytes: that all tensors take together; None where it is not said, or shards are absent.
        tied: whether a model's output may share the weights of its input, so that they are stored
            once.
        role: of the shards.
        prefix: of the shards, put before the names of their tensors.
    """

    name: str
    mapped: Mapping[str, tuple[str, ...]]
    nbytes: int | None = None
    tied: bool = False
    role: PartRole = PartRole.MODEL
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFiles:
    """The files that form one checkpoint.

    Attributes:
        path: what the user calls it: the folder, or the file.
        layout: the framework's name; "" for a single file.
        parts: those that are there, the model's first.
        absent: those that should be.
        problems: damage that shows without a look at tensors: a broken index, bytes that do not
            sum up.
        indexes: what should lie in which shard.
        scalars: what the texts say, by the names that a single file would give it: ``epoch``,
            ``global_step``, ``best_metric``, ``eval_loss``.
        finished: the part that the framework writes last; "" where that is not known.
    """

    path: Path
    layout: str = ""
    parts: tuple[Part, ...] = ()
    absent: tuple[Absent, ...] = ()
    problems: tuple[Problem, ...] = ()
    indexes: tuple[Index, ...] = ()
    scalars: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    finished: str = ""

    @property
    def is_single(self) -> bool:
        """Whether it is one file, and nothing but that file."""
        return not self.layout

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, and not files that lie side by side in one."""
        return all(self.path in part.path.parents for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A file that names the checkpoint to go on from.

    Attributes:
        path: the file, such as ``latest``.
        target: what it says.
        leads_to: the checkpoint that it means; None where there is none of that name.
    """

    path: Path
    target: str
    leads_to: Path | None


def single(path: Path) -> CheckpointFiles:
    """A checkpoint of one file."""
    return CheckpointFiles(path=path, parts=(Part(path=path, name=path.name, role=PartRole.MODEL),))
