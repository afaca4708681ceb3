"""Names of archive members that lead elsewhere than into the folder the archive is unpacked in.

torch unpacks nothing: it looks records up by name. Other programs unpack, and some of them follow
such names. torch takes the name of an archive's folder from that of the file, and writes neither
kind, unless the file is called ``...pth`` or ``C:.pth``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ckptdoctor.checkpoint import Problem
from ckptdoctor.finding import Severity

__all__ = ["DO_NOT_UNPACK", "odd_names"]

DO_NOT_UNPACK = "Do not unpack it, and find out who made it; torch.load unpacks nothing."

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SEPARATORS = re.compile(r"[\\/]")
_MAX_PROBLEMS = 20


def odd_names(names: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with the names of an archive's members; the first twenty, and how many more.

    Args:
        names: as the archive has them, zero bytes included.
    """
    count = 0
    for name in names:
        severity, what = _wrong_with(name)
        if not what:
            continue
        count += 1
        if count <= _MAX_PROBLEMS:
            yield _problem(name, what, severity)
    if count > _MAX_PROBLEMS:
        more = count - _MAX_PROBLEMS
        yield _problem("archive", f"{more} more members have names like these", Severity.ERROR)


def _wrong_with(name: str) -> tuple[Severity, str]:
    """How bad a name is, and why; "" where it is a plain one."""
    if "\0" in name:
        return Severity.ERROR, "a name with a zero byte: some readers see what stands before it"
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return Severity.ERROR, "an absolute path: a program that unpacks the archive writes there"
    if ".." in _SEPARATORS.split(name):
        return Severity.ERROR, "a path out of the folder that the archive is unpacked in"
    if "\\" in name:
        return Severity.WARNING, "a name with a backslash, which Windows takes for a folder"
    return Severity.INFO, ""


def _problem(name: str, what: str, severity: Severity) -> Problem:
    return Problem(
        code="CD104", severity=severity, subject=name, message=what, remedy=DO_NOT_UNPACK
    )
