"""Programs in TorchScript archives: which of their operators reach outside the model.

``torch.load`` runs the ``__setstate__`` of such an archive. Its language has no import and no file,
but a few operators that write one, or map one into memory.

Source: ``torch.jit._builtins`` and ``aten/src/ATen/native/native_functions.yaml`` of PyTorch 2.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import CallUse
from ckptdoctor.formats.source import ByteSource

__all__ = ["MOST_NBYTES", "calls_outside", "is_program"]

MOST_NBYTES = 4 << 20
"""Programs are read up to this size; the largest seen take a few hundred kilobytes."""

_STRING_OR_COMMENT = re.compile(
    rb'"""(?:[^\\]|\\.)*?"""'
    rb"|'''(?:[^\\]|\\.)*?'''"
    rb'|"(?:[^"\\\n]|\\.)*"'
    rb"|'(?:[^'\\\n]|\\.)*'"
    rb"|\#[^\n]*",
    re.DOTALL,
)
_COMMENT = re.compile(rb"#[^\n]*")
_BETWEEN = re.compile(rb"[\s\\()]+")  # tokens
_OUTSIDE = re.compile(
    rb"\b(torch|ops[ (]?\.[ (]?\w{1,60})[ (]?\.[ (]?(save|from_file|write_file)\(([^\n]{0,80})"
)
_LEAF = re.compile(rb"\b(?:save|from_file|write_file)\b")
_MOST_CALLS = 20


def is_program(name: str, prefix: str) -> bool:
    """Whether torch may take a record for a program; it does not tell capitals from small letters.

    Args:
        name: of the record.
        prefix: the folder of the archive, with its slash.
    """
    name = name.lower()
    return name.startswith(f"{prefix.lower()}code/") and name.endswith(".py")


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
            name = f"{re.sub('[ (]', '', owner)}.{leaf}"
            found.setdefault(f"{name}({rest}", name)
            if len(found) >= _MOST_CALLS:
                break
    for call, name in list(found.items())[:_MOST_CALLS]:
        yield CallUse(name=name, call=call, offset=offset)


def _readings(text: bytes) -> Iterator[bytes]:
    """The program with one character, or none, between two tokens.

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
    return b"(" if b"(" in found[0] else b" "
