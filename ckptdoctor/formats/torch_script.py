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

__all__ = ["MOST_NBYTES", "calls_outside"]

MOST_NBYTES = 16 << 20
"""Programs are read up to this size; the largest seen take a few hundred kilobytes."""

_OUTSIDE = re.compile(
    rb"\b((?:torch|ops\.\w{1,60})\.(?:save|from_file|write_file))\s?\(([^\n]{0,80})"
)
_MOST_CALLS = 20


def calls_outside(program: ByteSource, offset: int) -> Iterator[CallUse]:
    """The calls in a program that write a file or open one.

    Args:
        program: a record ``code/….py``.
        offset: where it lies in the file.
    """
    text = program.read(0, MOST_NBYTES)
    for count, found in enumerate(_OUTSIDE.finditer(text)):
        if count >= _MOST_CALLS:
            return
        name, rest = (group.decode("utf-8", "replace") for group in found.groups())
        yield CallUse(name=name, call=f"{name}({rest}", offset=offset)
