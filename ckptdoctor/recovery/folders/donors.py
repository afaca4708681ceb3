"""The checkpoint that bad tensors of another are taken from, a part at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.folders.part_draft import view_of
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.report import CheckpointReport

__all__ = ["Donor"]


class Donor:
    """A checkpoint, a file or a folder, that gives tensors.

    Args:
        path: what the user names.

    Raises:
        RestoreError: it is one part of a checkpoint, or a folder of several.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        (self._whole,) = examine(
            [checkpoint_named(path)], Examination(keep_details=True)
        ).checkpoints
        self._files = [*self._of_parts()] or [self._whole]

    def _of_parts(self) -> Iterable[CheckpointReport]:
        """Each part as a report of its own, by the names of its file."""
        for one in self._whole.parts:
            if one.checkpoint is not None:
                view = view_of(self._whole, one)
                yield CheckpointReport(
                    path=one.part.path,
                    verdict=one.verdict,
                    metadata=self._whole.metadata,
                    checkpoint=view.checkpoint,
                    stats=view.stats,
                )

    def with_all(self, names: Iterable[str], namesake: str) -> CheckpointReport:
        """The file that holds all of these tensors.

        Args:
            names: of the tensors.
            namesake: the name of the file that lacks them: where several files hold them, as those
                of all ranks do, the one of that name gives its own.

        Raises:
            RestoreError: there is none.
        """
        wanted = set(names)
        for file in sorted(self._files, key=lambda file: file.path.name != namesake):
            given = file.checkpoint.tensors if file.checkpoint is not None else ()
            if wanted <= {tensor.fqn for tensor in given}:
                return file
        raise RestoreError(
            f"{self._path}: no file of it holds all of the {len(wanted)} tensors to graft, "
            f"such as {min(wanted)}"
        )
