"""Sound checkpoints that carry opcodes before their own: what a scanner has to look behind."""

from __future__ import annotations

import functools
import io
import pickle
import zipfile
from pathlib import Path

from tests.bad_inputs.good import zip_bytes
from tests.bad_inputs.opcodes import Opcodes
from tests.builders import rezip

__all__ = ["MAGIC", "beside_weights", "in_legacy", "sound_pickle", "zipped"]

MAGIC = 0x1950A86A20F9469CFC6C


def zipped(
    canary: Path,
    raw: bytes | None = None,
    *,
    method: int = zipfile.ZIP_STORED,
    append: list[tuple[str, bytes]] | None = None,
) -> bytes:
    """A sound archive with this for its pickle, and with more records."""
    source, target = canary.with_name("source.tmp"), canary.with_name("target.tmp")
    source.write_bytes(zip_bytes())
    replaced = {} if raw is None else {"data.pkl": raw}
    rezip(source, target, method=method, replace=replaced, append=append or [])
    source.unlink()
    data = target.read_bytes()
    target.unlink()
    return data


@functools.cache
def sound_pickle() -> bytes:
    """The pickle of the sound archive, without the opcode that tells its protocol."""
    with zipfile.ZipFile(io.BytesIO(zip_bytes())) as archive:
        return archive.read("archive/data.pkl")[2:]


def beside_weights(canary: Path, opcodes: bytes, protocol: int = 4) -> bytes:
    """A sound archive whose pickle first runs opcodes that leave one object, which is dropped."""
    head = b"\x80" + bytes([protocol])
    return zipped(canary, head + Opcodes(opcodes) + b"0" + sound_pickle())


def in_legacy(opcodes: bytes, protocol: int = 2, *, at: int = 3) -> bytes:
    """The old format, whose pickle at this place of five first runs opcodes.

    Args:
        opcodes: leave one object, which is dropped.
        protocol: of that pickle.
        at: 0 the magic number, 1 the protocol, 2 the system, 3 the object, 4 the storage keys.
    """
    contents: tuple[object, ...] = (MAGIC, 1001, {"little_endian": True}, {"epoch": 1}, [])
    parts = [pickle.dumps(part, 2) for part in contents]
    parts[at] = b"\x80" + bytes([protocol]) + opcodes + b"0" + parts[at][2:]
    return b"".join(parts)
