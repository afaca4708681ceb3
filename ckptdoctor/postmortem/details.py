"""Spectral norms and dead rows of the few tensors that matter, checkpoint by checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import CheckpointError
from ckptdoctor.layouts.opened import open_files
from ckptdoctor.runs.departure.course import CourseBuilder, Trait
from ckptdoctor.runs.discover import checkpoint_at
from ckptdoctor.scanning.difference import Side
from ckptdoctor.scanning.norms import load_norms
from ckptdoctor.scanning.pieces import is_measured
from ckptdoctor.scanning.reading import FileShrankError
from ckptdoctor.scanning.spectrum import spectrum_of

__all__ = ["look_closer"]


def look_closer(paths: Sequence[Path], names: Sequence[str]) -> CourseBuilder:
    """The spectral norm and the dead rows of matrices among so many tensors.

    Args:
        paths: the checkpoints of a run.
        names: of the tensors; of all others nothing is read.
    """
    builder, norms = CourseBuilder(len(paths)), load_norms()
    for place, path in enumerate(paths if names else ()):
        try:
            with open_files(checkpoint_at(path)) as opened:
                for name in names:
                    for piece in opened.pieces.get(name, ())[:1]:
                        if len(piece.record.shape) < 2 or not is_measured(piece.record):
                            continue
                        side = Side(piece.fd, piece.byteorder)
                        found = spectrum_of(norms, side, piece.record)
                        builder.note(Trait.SPECTRAL, name, place, found.largest)
                        builder.note(Trait.DEAD, name, place, found.dead)
        except (CheckpointError, FileShrankError, OSError):
            continue
    return builder
