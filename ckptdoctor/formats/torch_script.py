"""Programs in TorchScript archives: which of their operators reach outside the model.

``torch.load`` runs the ``__setstate__`` of such an archive. Its language has no import and no file,
but a few operators that write one, or map one into memory.

Source: ``torch.jit._builtins`` and ``aten/src/ATen/native/native_functions.yaml`` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ckptdoctor.checkpoint import CallUse, Problem
from ckptdoctor.formats.pickle.stray import not_looked_through
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.records import ZipRecord

__all__ = ["MOST_NBYTES", "Programs", "calls_outside"]

MOST_NBYTES = 4 << 20
"""Programs are read up to this size, all together; the largest take a few hundred kB."""

# A string without an end goes to the end of its line, or of all: searched for but once.
_STRING_OR_COMMENT = re.compile(
    rb'"""(?:[^\\]|\\.)*?(?:"""|\Z)'
    rb"|'''(?:[^\\]|\\.)*?(?:'''|\Z)"
    rb'|"(?:[^"\\\n]|\\.)*"?'
    rb"|'(?:[^'\\\n]|\\.)*'?"
    rb"|\#[^\n]*",
    re.DOTALL,
)
_COMMENT = re.compile(rb"#[^\n]*")
_BETWEEN = re.compile(rb"[\s\\()]+")  # tokens
_OUTSIDE = re.compile(
    rb"\b(torch|ops[ ()\n]{0,2}\.[ ()\n]{0,2}\w{1,60})[ ()\n]{0,2}\.[ ()\n]{0,2}"
    rb"(save|from_file|write_file)[ )\n]{0,2}\(([^\n]{0,80})"
)
_LEAF = re.compile(rb"\b(?:save|from_file|write_file)\b")
_MOST_CALLS = 20


class Programs:
    """The programs of an archive, as far as torch may take it for one of TorchScript.

    torch does not tell capitals from small letters where it looks for a record.

    Args:
        records: of the archive.
        prefix: its folder, with the slash.
    """

    def __init__(self, records: Iterable[ZipRecord], prefix: str) -> None:
        prefix = prefix.lower()
        named = [(record.name.lower(), record) for record in records]
        is_script = any(name == f"{prefix}constants.pkl" for name, _ in named)
        self._read: list[ZipRecord] = []
        self._left: list[ZipRecord] = []
        nbytes = 0
        for name, record in named if is_script else ():
            if name.startswith(f"{prefix}code/") and name.endswith(".py"):
                nbytes += max(record.nbytes, record.stored_nbytes)
                (self._read if nbytes <= MOST_NBYTES else self._left).append(record)

    def calls(self, source_of: Callable[[ZipRecord], ByteSource]) -> Iterator[CallUse]:
        """What they do outside of the archive."""
        for record in self._read:
            yield from calls_outside(source_of(record), record.offset)

    def problems(self) -> Iterator[Problem]:
        """That there are more than are read."""
        if self._left:
            yield not_looked_through(self._left[0].name, "more than 4 MB of programs")


def calls_outside(program: ByteSource, offset: int) -> Iterator[CallUse]:
    """The calls in a program that write a file or open one, however they are spaced.

    Args:
        program: a record ``code/….py``.
        offset: where it lies in the file.
    """
    found: dict[str, str] = {}
    for text in _readings(program.read(0, MOST_NBYTES)):
        for match in _OUTSIDE.finditer(text):
            owner, leaf, rest = (part.decode("utf-8", "replace") for part in match.groups())
            name = f"{re.sub(r'[^.:a-zA-Z0-9_]', '', owner)}.{leaf}"
            found.setdefault(f"{name}({rest}", name)
            if len(found) >= _MOST_CALLS:
                break
    for call, name in list(found.items())[:_MOST_CALLS]:
        yield CallUse(name=name, call=call, offset=offset)


def _readings(text: bytes) -> Iterator[bytes]:
    """The program with a character or two, or none, between two tokens.

    What is a comment depends on what is a string: it is read with them, and without.
    """
    if _LEAF.search(text) is None:
        return
    yield _BETWEEN.sub(_one, text)
    if b"#" in text:
        yield _BETWEEN.sub(_one, _COMMENT.sub(b"", text))
        yield _BETWEEN.sub(_one, _STRING_OR_COMMENT.sub(_without_comment, text))


def _without_comment(found: re.Match[bytes]) -> bytes:
    return b"" if found[0].startswith(b"#") else found[0]


def _one(found: re.Match[bytes]) -> bytes:
    if b"(" in found[0]:
        return b"("
    return (b")" if b")" in found[0] else b" ") + (b"\n" if b"\n" in found[0] else b"")
