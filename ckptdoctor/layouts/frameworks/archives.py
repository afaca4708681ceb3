"""Single files that are archives of several torch files, which are read where they lie.

Stable-Baselines3 writes a zip: ``policy.pth``, an optimizer or more, ``pytorch_variables.pth``, and
``data``, a JSON of everything else. NeMo writes a tar, ``.nemo``: ``model_weights.ckpt``, or a
folder of torch.distributed.checkpoint, and ``model_config.yaml``.

Sources: ``save_to_zip_file`` in ``stable_baselines3/common/save_util.py`` of 2.9, and
``save_restore_connector.py`` in ``nemo/core/connectors`` of NeMo 2.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Problem, Scalar
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.member_names import odd_names
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.formats.pickled_json import read_json
from ckptdoctor.formats.tar import TarMember, TarSizeError, is_tar, tar_members
from ckptdoctor.formats.torch_zip import MAGIC
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.plain import plain_source
from ckptdoctor.formats.zip.records import DEFLATED, LOCAL, ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.salvage import walk_headers
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, Member, Part, PartRole
from ckptdoctor.layouts.files_in import FilesInArchive
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import dcp
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["LAYOUT", "claim_file"]

_SUFFIXES = (".zip", ".nemo")
_BASELINES, _NEMO = "stable-baselines3", "nemo"
_DATA, _POLICY, _TORCH = "data", "policy.pth", ".pth"
_OWN = frozenset({_DATA, _POLICY, "pytorch_variables.pth", "_stable_baselines3_version"})
_ALWAYS = "Stable-Baselines3 writes it into every such archive"
_WEIGHTS = (".ckpt", ".pt", ".pth", ".bin", ".safetensors")
_CONFIG, _MAIN = "model_config.yaml", "model_weights.ckpt"
_COMMON = "common.pt"  # of Megatron, beside a distributed checkpoint


def claim_file(path: Path) -> CheckpointFiles | None:
    """The checkpoint that an archive is, with its members for parts; None for any other file.

    Args:
        path: a file, whatever its name.
    """
    try:
        with opened(path) as file:
            head = file.source.read(0, 512)
            if head.startswith(MAGIC) and _first_name(head).endswith((_DATA, _TORCH)):
                return _Baselines(file).found()
            return _nemo(file) if is_tar(head) else None
    except (CheckpointError, OSError):
        return None


def _first_name(head: bytes) -> str:
    """The name of the first record of a zip archive."""
    nbytes = LOCAL.unpack_from(head)[9] if len(head) >= LOCAL.size else 0
    return head[LOCAL.size : LOCAL.size + nbytes].decode("utf-8", "replace")


class _Baselines:
    """An archive of Stable-Baselines3, its directory read or rescued."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._source = file.source
        self._limits = Limits.for_file(file.nbytes)
        known = read_directory(self._source, self._limits)
        if known is not None and not any("/" not in one.name for one in known.records):
            known = None  # that of a member, in which the archive ends
        self._is_cut = known is None
        self._directory: ZipDirectory = known or walk_headers(self._source, lambda *_: None)
        self._problems: list[Problem] = []

    def found(self) -> CheckpointFiles | None:
        """The checkpoint; None where it holds no torch file, nor ever did."""
        records = list(self._directory.records)
        cut = self._directory.cut
        parts = [self._part(one) for one in [*records, *([cut] if cut else [])]]
        torchs = [part for part in parts if part.form is Form.TENSORS]
        names = {part.name for part in parts}
        if not (names & _OWN if self._is_cut else torchs and names & _OWN):
            return None
        lacking = [
            Absent(name=name, role=_role_in_baselines(name), because=_ALWAYS)
            for name in (_POLICY, _DATA)
            if name not in names
        ]
        scalars = dict(self._scalars(records))
        return CheckpointFiles(
            path=self._file.path,
            layout=_BASELINES,
            parts=tuple(sorted(parts, key=lambda part: part.role is not PartRole.MODEL)),
            absent=tuple(lacking),
            problems=(*self._cut(cut), *self._directory.problems, *self._problems),
            scalars=scalars,
        )

    def _part(self, record: ZipRecord) -> Part:
        stem = record.name.removesuffix(_TORCH)
        role, form = _role_in_baselines(record.name), Form.TENSORS
        if stem == record.name:
            form = Form.JSON if record.name == _DATA else Form.TEXT
        packed = record.method == DEFLATED
        return Part(
            path=self._file.path,
            name=record.name,
            role=role,
            form=form,
            prefix="" if record.name == _POLICY else f"{stem}.",
            needed=form is not Form.TEXT,
            member=Member(
                start=record.offset,
                nbytes=record.stored_nbytes,
                plain_nbytes=record.nbytes if packed else None,
            ),
        )

    def _cut(self, cut: ZipRecord | None) -> Iterator[Problem]:
        if self._is_cut:
            where = f" within {cut.name!r}" if cut else ""
            yield Problem(
                code="CD102",
                severity=Severity.ERROR,
                subject="file",
                message=f"the archive is cut: it ends{where}, and what followed is lost",
                evidence={"nbytes": self._file.nbytes},
                remedy="Copy it again from where it was written, or use an earlier checkpoint.",
            )

    def _scalars(self, records: Sequence[ZipRecord]) -> Iterator[tuple[str, Scalar]]:
        """Where the training stands, by ``data``."""
        record = next((one for one in records if one.name == _DATA), None)
        if record is None:
            return
        try:
            plain = plain_source(self._file.path, self._source, record, self._limits)
            text = plain.read(0, plain.nbytes)
            said = read_json(self._file.unpacked(text))
        except CheckpointError:
            return  # whoever reads the part says it
        if record.crc32 and zlib.crc32(text) != record.crc32:
            self._complain("CD103", "its bytes changed after it was written: another checksum")
        steps = said.get("num_timesteps")
        if isinstance(steps, int):
            yield "global_step", steps

    def _complain(self, code: str, message: str) -> None:
        self._problems.append(
            Problem(
                code=code,
                severity=Severity.ERROR,
                subject=_DATA,
                message=message,
                evidence={"role": "other"},
                remedy="Copy the file again, or use another checkpoint.",
            )
        )


def _role_in_baselines(name: str) -> PartRole:
    if not name.endswith(_TORCH):
        return PartRole.STATE if name == _DATA else PartRole.ARGS
    if "optimizer" in name:
        return PartRole.OPTIMIZER
    return PartRole.STATE if name.startswith("pytorch_variables") else PartRole.MODEL


def _nemo(file: OpenFile) -> CheckpointFiles | None:
    """The checkpoint in a tar of NeMo."""
    members: list[TarMember] = []
    problems: list[Problem] = []
    try:
        members.extend(tar_members(file.source))
    except TarSizeError as error:
        problems.append(
            Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject="file",
                message=f"a damaged tar: {error}",
            )
        )
    named = {one.name.removeprefix("./"): one for one in members if one.is_plain}
    if _CONFIG not in named and file.path.suffix != ".nemo":
        return None
    problems += odd_names(one.name for one in members)
    return _Nemo(file.path, named, tuple(problems)).found()


@dataclass(frozen=True, slots=True)
class _Nemo:
    """An archive of NeMo.

    Attributes:
        path: it.
        members: by their names.
        problems: what is wrong with it as a tar.
    """

    path: Path
    members: dict[str, TarMember]
    problems: tuple[Problem, ...]

    def found(self) -> CheckpointFiles:
        """What it consists of."""
        inner = self._distributed()
        taken = {part.name for part in inner.parts} if inner else set()
        parts = [self._part(name) for name in self.members if name not in taken]
        whole = CheckpointFiles(path=self.path, layout=_NEMO, problems=self.problems)
        if inner is not None:
            return replace(
                whole,
                parts=(*inner.parts, *parts),
                absent=inner.absent,
                problems=(*self.problems, *inner.problems),
            )
        has_weights = any(part.role is PartRole.MODEL for part in parts)
        lacking = Absent(
            name=_MAIN, role=PartRole.MODEL, because="NeMo writes it into every such archive"
        )
        return replace(
            whole,
            parts=tuple(sorted(parts, key=lambda part: part.role is not PartRole.MODEL)),
            absent=() if has_weights else (lacking,),
        )

    def _distributed(self) -> CheckpointFiles | None:
        """The folder of torch.distributed.checkpoint in it; None where it has none."""
        folders = {
            name.rpartition("/")[0]
            for name in self.members
            if name.endswith((dcp.METADATA, ".distcp"))
        }
        for folder in sorted(folders):
            prefix = f"{folder}/" if folder else ""
            own = {
                name.removeprefix(prefix): Member(start=one.offset, nbytes=one.nbytes)
                for name, one in self.members.items()
                if name.rpartition("/")[0] == folder
            }
            return dcp.parts_in(FilesInArchive(self.path, own), prefix)
        return None

    def _part(self, name: str) -> Part:
        one = self.members[name]
        base = name.rpartition("/")[2]
        is_torch = base.endswith(_WEIGHTS)
        role = PartRole.MODEL if is_torch and base != _COMMON else PartRole.STATE
        return Part(
            path=self.path,
            name=name,
            role=role if is_torch else PartRole.ARGS,
            form=Form.TENSORS if is_torch else Form.TEXT,
            needed=is_torch or base == _CONFIG,
            member=Member(start=one.offset, nbytes=one.nbytes),
        )


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    for name in folder.files:
        if name.endswith(_SUFFIXES):
            found = claim_file(folder.path / name)
            if found is not None:
                yield found


LAYOUT = Layout(name="archive", claim=_claim)
