"""What a finding is about, so exactly that another one is not taken for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ckptdoctor.finding import Finding
from ckptdoctor.report import CheckpointReport, RunReport

__all__ = ["Contents"]

_CHUNK = 1 << 20


class Contents:
    """The contents of files as 64 hexadecimal digits; each is read once, and only if asked for."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, finding: Finding, owner: CheckpointReport | RunReport) -> str:
        """What the finding is about: a file, the files of a folder, or the figures of a run.

        ``sha256:...`` of the bytes; ``figures:...`` of the evidence; ``none`` where there is no
        file that can be read.
        """
        if isinstance(owner, RunReport):
            told = json.dumps(dict(finding.evidence), sort_keys=True, default=str)
            return f"figures:{hashlib.sha256(f'{finding.message}|{told}'.encode()).hexdigest()}"
        part = finding.evidence.get("part")
        parts = [] if owner.files is None else list(owner.files.parts)
        named = [one.path for one in parts if one.name == part] or [one.path for one in parts]
        paths = named or [owner.path]
        try:
            digests = [self._file(path) for path in sorted(paths)]
        except OSError:
            return "none"
        if len(digests) == 1:
            return f"sha256:{digests[0]}"
        names = [path.name for path in sorted(paths)]
        whole = repr([*zip(names, digests, strict=True)])
        return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"

    def _file(self, path: Path) -> str:
        known = self._known.get(path)
        if known is None:
            with path.open("rb") as file:
                digest = hashlib.sha256()
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            known = self._known[path] = digest.hexdigest()
        return known
