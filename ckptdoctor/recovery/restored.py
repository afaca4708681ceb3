"""What restoring returns."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.weights_only import SafeLoad

__all__ = ["Restored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was written, or would be.

    Attributes:
        source: the checkpoint that it comes from.
        destination: the file, or the folder.
        epoch: of the source.
        actions: what was done, in order.
        verified: whether it was read back and compared; False for a dry run.
        sha256: of the file, or of a folder as ``manifest.digest_of`` has it; "" for a dry run.
        manifest: the note beside it; None for a dry run.
        safe_load: what ``torch.load(weights_only=True)`` makes of it; None for safetensors, and
            where a dry run would change it.
        resume: what to say to the framework; "" where a file is written.
        files: how many were written.
        averaged: the checkpoints whose weights it is the mean of; () for a copy.
        kept: where the folder is that was there before; None where there was none, or it is gone.
    """

    source: Path
    destination: Path
    epoch: int | float | None
    actions: tuple[Action, ...]
    verified: bool
    sha256: str
    manifest: Path | None
    safe_load: SafeLoad | None = None
    resume: str = ""
    files: int = 1
    kept: Path | None = None
    averaged: tuple[Path, ...] = ()
