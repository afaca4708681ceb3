"""Examines what a damaged file still says, beside what the sound one said."""

from __future__ import annotations

import contextlib
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from ckptdoctor.checkpoint import StorageRef, TensorRecord
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Verdict
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning import scanner
from ckptdoctor.scanning.backends import load_kernels
from tests.bad_inputs.each_format import Sample
from tests.formats.oracle import Described, described, elements_of, named_scalars

__all__ = ["Contents", "Examined", "examined", "loaded", "one_backend"]

_HOW = Examination(jobs=1, keep_details=True)
_MAX_NBYTES = 1 << 20  # a damaged shape of steps 0 may show a few bytes a thousand million times


@dataclass(frozen=True, slots=True)
class Contents:
    """Names, shapes, bytes and scalars: all that a training gets back.

    Attributes:
        tensors: dtype, shape and bytes of each that is whole.
        scalars: the ``repr`` of each.
    """

    tensors: dict[str, Described]
    scalars: dict[str, str]


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of one damaged file.

    Attributes:
        verdict: None where the doctor crashed.
        codes: of the findings.
        contents: as our reader finds them; None where nothing could be read.
        crash: the traceback, or "".
    """

    verdict: Verdict | None
    codes: frozenset[str] = frozenset()
    contents: Contents | None = None
    crash: str = ""

    @property
    def reported(self) -> bool:
        """Whether the user is told: every verdict but ``healthy`` names what is wrong."""
        return self.verdict is not Verdict.HEALTHY


@contextlib.contextmanager
def one_backend() -> Iterator[None]:
    """The backend loaded once for all files: its self-test takes longer than a small file."""
    kernels = load_kernels()
    with patch.object(scanner, "load_kernels", lambda: kernels):
        yield


def examined(path: Path, data: bytes) -> Examined:
    """What ``scan`` makes of a file with these bytes.

    Args:
        path: holds them already.
        data: the same, to be read without opening it again.
    """
    try:
        report = examine([path], _HOW)
        (found,) = report.checkpoints
        contents = _contents(found, data)
    except Exception:  # noqa: BLE001  (whatever it is, it is counted and shown)
        return Examined(None, crash=traceback.format_exc())
    return Examined(
        found.verdict,
        frozenset(finding.code for finding in found.findings),
        contents,
        "".join(crash.error for crash in report.crashes),
    )


def _contents(report: CheckpointReport, data: bytes) -> Contents | None:
    checkpoint = report.checkpoint
    if checkpoint is None:
        return None
    tensors = {
        tensor.fqn: (tensor.dtype, tensor.shape, raw)
        for tensor in checkpoint.tensors
        if not tensor.lost and (raw := _elements(tensor, data)) is not None
    }
    return Contents(tensors, {name: repr(value) for name, value in checkpoint.scalars.items()})


def _elements(tensor: TensorRecord, data: bytes) -> bytes | None:
    """The elements in C order; None where the record is damaged so that there are none."""
    if tensor.storage is None or not tensor.numel:
        return b""
    if tensor.nbytes > _MAX_NBYTES:
        return b"too many"
    plain = _stored(tensor.storage, data)
    return None if plain is None else elements_of(plain, tensor)


def _stored(ref: StorageRef, data: bytes) -> bytes | None:
    """The plain bytes of a storage; None where they cannot be inflated."""
    if ref.inline is not None:
        return ref.inline
    if ref.deflated_nbytes is None:
        return data[ref.offset : ref.offset + ref.nbytes]
    try:
        plain = zlib.decompress(data[ref.offset : ref.offset + ref.deflated_nbytes], -15)
    except zlib.error:
        return None
    return plain if len(plain) == ref.nbytes else None


def loaded(sample: Sample, path: Path) -> Contents | None:
    """What whoever defines the format reads from the file; None where it refuses it."""
    assert sample.load is not None
    try:
        state = sample.load(path)
        tensors = described(state)
    except Exception:  # noqa: BLE001  (torch refuses a damaged file in many ways)
        return None
    return Contents(tensors, {name[1:]: repr(value) for name, value in named_scalars(state)})
