"""Records of an archive beside the pickle that is read: some programs take another one for it."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.stray import Strays
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.members import start_of
from ckptdoctor.formats.zip.records import ZipRecord

__all__ = ["is_torchs_own", "other_pickles"]

_SHORT_NBYTES = 40  # of the longest, the id
_PICKLE = ".pkl"
_DEBUG = ".debug_pkl"  # torch reads these in C++, and Python never does


def other_pickles(whole: ByteSource, records: Iterable[ZipRecord], limits: Limits) -> Strays:
    """The search through these records.

    What is named as pickles are comes first, and last what no Python reads, of which so much may
    be that it takes too long.
    """
    strays = Strays(limits)
    for record in sorted(records, key=_comes_late):
        name, source = record.name.lower(), start_of(whole, record)
        if is_torchs_own(source, 0, source.nbytes):
            continue
        goes_on = name.endswith(_PICKLE) and source.nbytes < record.nbytes
        strays.look_through(source, is_part=goes_on, is_told=not name.endswith(_DEBUG))
    return strays


def is_torchs_own(source: ByteSource, offset: int, nbytes: int) -> bool:
    """Whether a short record says what torch's do: a number, or the byte order. No pickle does."""
    if nbytes > _SHORT_NBYTES:
        return False
    text = source.read(offset, nbytes)
    return text in (b"little", b"big") or text.removesuffix(b"\n").isdigit()


def _comes_late(record: ZipRecord) -> int:
    name = record.name.lower()
    return 0 if name.endswith(_PICKLE) else 2 if name.endswith(_DEBUG) else 1
