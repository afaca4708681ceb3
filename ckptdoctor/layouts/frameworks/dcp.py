"""Folders of torch.distributed.checkpoint: ``.metadata`` and the files that it describes.

FSDP, FSDP2 and torchtitan (``step-N/``) save so. ``.metadata`` is written last, under another name
first, so that files without it are a save that was not finished; or a copy that left out names with
a dot in front.

Source: ``filesystem.py`` in ``torch/distributed/checkpoint`` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ckptdoctor.checkpoint import Problem, Role
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.dcp.described import DcpMetadata
from ckptdoctor.formats.dcp.merged import merged
from ckptdoctor.formats.dcp.metadata import read_metadata
from ckptdoctor.formats.dcp.slices import FileSlices, roles_of, slices_by_file
from ckptdoctor.formats.dcp.tiling import tiling_problems
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, Part, PartRole
from ckptdoctor.layouts.files_in import FilesIn, FilesInFolder
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["LAYOUT", "METADATA", "parts_in", "parts_of"]

METADATA = ".metadata"

_SUFFIX = ".distcp"
_OF_RANK = re.compile(r"__(\d{1,9})\.metadata")
_RANKS_FILE = re.compile(r"__(\d{1,9})_\d{1,9}\.distcp")
_UNFINISHED = "torch writes it last: this save was not finished, or the copy left out hidden files"
_ROLES = {
    Role.MODEL: PartRole.MODEL,
    Role.EMA: PartRole.EMA,
    Role.OPTIMIZER: PartRole.OPTIMIZER,
    Role.SCALER: PartRole.SCALER,
    Role.SCHEDULER: PartRole.SCHEDULER,
}
"""What a file is called by the most precious that it holds: the first of these."""


def parts_of(folder: Folder, name: str = "") -> CheckpointFiles | None:
    """The parts that a folder of torch.distributed.checkpoint consists of; None for no such folder.

    Layouts that keep one beside other parts take ``parts``, ``absent`` and ``problems`` from it.

    Args:
        folder: it, or where it lies.
        name: of the folder within ``folder``; "" for that itself. Part names begin with it.
    """
    inner = folder.below(name) if name else folder
    return parts_in(FilesInFolder(inner), f"{name}/" if name else "")


def parts_in(place: FilesIn, prefix: str = "") -> CheckpointFiles | None:
    """As :func:`parts_of`, wherever the files lie.

    Args:
        place: they.
        prefix: put before the names of the parts.
    """
    descriptions = [one for one in place.files if one == METADATA or _OF_RANK.fullmatch(one)]
    files = [one for one in place.files if one.endswith(_SUFFIX)]
    if not descriptions and not files:
        return None
    return _Dcp(place, prefix, descriptions, files).found()


@dataclass(frozen=True, slots=True)
class _Dcp:
    """One such folder.

    Attributes:
        place: where its files lie.
        prefix: put before the names of its files.
        descriptions: the names of its ``.metadata``, one a rank where ranks did not talk.
        files: the names of its ``.distcp``.
    """

    place: FilesIn
    prefix: str
    descriptions: Sequence[str]
    files: Sequence[str]

    def found(self) -> CheckpointFiles:
        """What it consists of."""
        read = {name: self._read(name) for name in self.descriptions}
        known = [one for one in read.values() if one is not None]
        parts = [self._description(name, one) for name, one in read.items()]
        absent = [
            Absent(name=self.prefix + name, role=PartRole.MODEL, because=_UNFINISHED)
            for name in self._undescribed()
        ]
        problems: list[Problem] = []
        if known and len(known) == len(read):
            whole = merged(known)
            by_file = slices_by_file(whole)
            problems += tiling_problems(whole, roles_of(whole)) if not absent else ()
            parts = [*self._described(by_file), *parts]
            absent += self._absent(by_file)
            problems += self._strangers(by_file)
            problems += self._elsewhere(by_file)
            parts += [self._untold(name) for name in self.files if name not in by_file]
        else:
            parts += [self._untold(name, PartRole.MODEL) for name in self.files]
        return CheckpointFiles(
            path=self.place.path,
            layout=_NAME,
            parts=tuple(parts),
            absent=tuple(absent),
            problems=tuple(problems),
            finished=self.prefix + METADATA if METADATA in self.descriptions else "",
        )

    def _read(self, name: str) -> DcpMetadata | None:
        """What a description says; None where it cannot be read, which its part tells."""
        try:
            with self.place.opened(name) as file:
                return read_metadata(file)
        except (CheckpointError, OSError):
            return None

    def _undescribed(self) -> Iterator[str]:
        """The descriptions that are not there."""
        if not self.descriptions:
            yield METADATA
        elif METADATA not in self.descriptions:
            ranks = dict.fromkeys(
                found[1] for name in self.files if (found := _RANKS_FILE.fullmatch(name))
            )
            names = (f"__{rank}{METADATA}" for rank in ranks)
            yield from (name for name in names if name not in self.descriptions)

    def _description(self, name: str, described: DcpMetadata | None) -> Part:
        path, member = self.place.where(name)
        return Part(
            path=path,
            name=self.prefix + name,
            role=PartRole.MODEL,
            form=Form.DCP,
            needed=name == METADATA,
            member=member,
            described=described,
        )

    def _described(self, by_file: dict[str, FileSlices]) -> Iterator[Part]:
        here = set(self.place.files)
        for name, slices in by_file.items():
            if name in here:
                path, member = self.place.where(name)
                yield Part(
                    path=path,
                    name=self.prefix + name,
                    role=_role_of(slices),
                    form=Form.DCP,
                    member=member,
                    role_of={item.name: item.role for item in slices.items}.get,
                    needed=False,  # another number of ranks writes other files
                    described=slices,
                )

    def _absent(self, by_file: dict[str, FileSlices]) -> Iterator[Absent]:
        here = set(self.place.files)
        for name, slices in by_file.items():
            if name not in here:
                yield Absent(
                    name=self.prefix + name,
                    role=_role_of(slices),
                    because=f"{self.prefix}{self.descriptions[0]} places "
                    f"{len(slices.items)} items in it",
                    tensors=slices.tensors,
                )

    def _untold(self, name: str, role: PartRole = PartRole.CUSTOM) -> Part:
        """A file of which nobody says what it holds."""
        path, member = self.place.where(name)
        return Part(
            path=path,
            name=self.prefix + name,
            role=role,
            form=Form.TEXT,
            needed=False,
            member=member,
        )

    def _elsewhere(self, by_file: Iterable[str]) -> Iterator[Problem]:
        """Paths that lead out of the folder; torch would follow them to any file."""
        names = [name for name in by_file if "/" in name]
        if names:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=self.prefix + self.descriptions[0],
                message=f"it places items in other folders, in {names[0]}, where torch would read "
                "them and nobody has looked",
                evidence={"files": names[:20]},
                remedy="Treat the checkpoint as hostile unless you made it yourself.",
            )

    def _strangers(self, by_file: Iterable[str]) -> Iterator[Problem]:
        """Files of another save; a rank that has nothing to store writes an empty one."""
        named = set(by_file)
        others = [name for name in self.files if name not in named and self.place.nbytes(name)]
        if others:
            yield Problem(
                code="CD104",
                severity=Severity.INFO,
                subject=self.prefix + others[0],
                message=f"{len(others)} files of another save, which .metadata does not name",
                evidence={"files": others[:20]},
                remedy="They are not read when the checkpoint is loaded.",
            )


def _role_of(slices: FileSlices) -> PartRole:
    found = {item.role for item in slices.items}
    return next((part for role, part in _ROLES.items() if role in found), PartRole.STATE)


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    found = parts_of(folder)
    if found is not None:
        yield found


_NAME = "torch-dcp"

LAYOUT = Layout(name=_NAME, claim=_claim)
