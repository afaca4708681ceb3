"""Whether ``torch.load(weights_only=True)`` takes a file, judged without torch.

A copy names what its source named: the safe loader may refuse it, and whoever resumes from it has
to know that before the training script does.

Source: torch/_weights_only_unpickler.py and torch/serialization.py (2.13).
"""

from __future__ import annotations

import io
import pickletools
from typing import cast

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["SafeLoad", "safe_load_of"]

_OPCODES = frozenset(
    """
    APPEND APPENDS BINFLOAT BINGET BININT BININT1 BININT2 BINPERSID BINPUT BINUNICODE BUILD
    EMPTY_DICT EMPTY_LIST EMPTY_SET EMPTY_TUPLE GLOBAL LONG1 LONG_BINGET LONG_BINPUT MARK NEWFALSE
    NEWOBJ NEWTRUE NONE PROTO REDUCE SETITEM SETITEMS SHORT_BINSTRING STOP TUPLE TUPLE1 TUPLE2
    TUPLE3
    """.split()
)
_NEVER = {
    "torchscript": "a TorchScript archive",
    "torch-tar": "in the tar format of torch before 0.1.10",
    "joblib": "a file that joblib.dump wrote",
    "pickle": "a pickle that torch.save did not write",
}
_PICKLES_OF_LEGACY = 5  # magic number, version, machine, object, keys
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeLoad:
    """What the safe loader of torch makes of a file.

    Attributes:
        accepted: whether it takes it.
        reason: why it does not, as what follows "it is" or "it names"; "" where it does.
        globals: the classes and functions that it would have to be told to allow.
    """

    accepted: bool
    reason: str = ""
    globals: tuple[str, ...] = ()


def safe_load_of(checkpoint: Checkpoint, file: OpenFile) -> SafeLoad | None:
    """What ``torch.load(weights_only=True)`` makes of a file; None where nobody loads it so.

    Args:
        checkpoint: of the file.
        file: the same, open.
    """
    if checkpoint.format == "safetensors":
        return None
    if (what := _NEVER.get(checkpoint.format)) is not None:
        return SafeLoad(accepted=False, reason=f"it is {what}")
    names = tuple(use.name for use in checkpoint.globals if not use.allowed)
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        reason = f"it names {', '.join(names[:_SHOWN])}{more}"
        return SafeLoad(accepted=False, reason=reason, globals=names)
    opcode = _unsupported_opcode(file, legacy=checkpoint.format == "torch-legacy")
    if opcode:
        return SafeLoad(accepted=False, reason=f"its pickle uses {opcode}, of another protocol")
    return SafeLoad(accepted=True)


def _unsupported_opcode(file: OpenFile, *, legacy: bool) -> str:
    """The first opcode that the safe loader does not know; "" where it knows all."""
    try:
        source = read_object(file).source
    except CheckpointError:
        return ""
    # A buffered reader has all that pickletools asks of a file.
    stream = cast("io.BytesIO", io.BufferedReader(_Stream(source)))
    try:
        for _ in range(_PICKLES_OF_LEGACY if legacy else 1):
            for opcode, _argument, _position in pickletools.genops(stream):
                if opcode.name not in _OPCODES:
                    return opcode.name
    except ValueError:  # our own reader has judged it, and is not as strict
        return ""
    return ""


class _Stream(io.RawIOBase):
    """A source of bytes as a file."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes."""
        data = self._source.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
