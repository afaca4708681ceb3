"""What restoring returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.weights_only import SafeLoad

__all__ = ["Restored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was written, or would be.

    Attributes:
        source: the checkpoint that it comes from.
        destination: the file.
        epoch: of the source.
        actions: what was done, in order.
        verified: whether it was read back and compared; False for a dry run.
        sha256: of the file; "" for a dry run.
        manifest: the note beside it; None for a dry run.
        safe_load: what ``torch.load(weights_only=True)`` makes of it; None for safetensors, and
            where a dry run would change it.
    """

    source: Path
    destination: Path
    epoch: int | float | None
    actions: tuple[Action, ...]
    verified: bool
    sha256: str
    manifest: Path | None
    safe_load: SafeLoad | None = None
