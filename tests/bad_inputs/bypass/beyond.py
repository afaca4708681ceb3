"""Code behind more than a reader is willing to look at: names, and files within files."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tests.bad_inputs.bypass.carriers import MAGIC, beside_weights
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, shell
from tests.bad_inputs.opcodes import Opcodes, call, getattr_of, named, push

__all__ = ["BEYOND"]

_LOAD = named("torch.storage", "_load_from_bytes")

_NAMES = 10_001
_NOT_PLAIN = ("from_pretrained", "load_state_dict")

_made = Catalogue(Loader.TORCH)


def _run(canary: Path) -> Opcodes:
    return call(named("posix", "system"), shell(canary))


def _members() -> Iterator[Opcodes]:
    """Members of the layers of torch, each by a name of its own."""
    import torch.nn.modules as layers

    for layer in vars(layers).values():
        if isinstance(layer, type):
            cls = named(layer.__module__, layer.__qualname__)
            plain = (each for each in dir(layer) if each not in _NOT_PLAIN and each[:2] != "__")
            yield from (getattr_of(cls, each) for each in plain)


@_made.add("code behind more names than a checkpoint has", "limits")
def _(canary: Path) -> bytes:
    names = b"".join(member + b"0" for member in islice(_members(), _NAMES))
    return beside_weights(canary, names + _run(canary))


def _file(opcodes: bytes) -> bytes:
    """A file of one storage, whose pickle first runs opcodes."""
    storage = push(("storage", named("torch", "ByteStorage"), "a", "cpu", 1, None)) + b"Q."
    head = [pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": True})]
    keys = pickle.dumps(["a"], 2)
    return b"".join([*head, b"\x80\x02", opcodes, storage, keys, (1).to_bytes(8, "little"), b"\0"])


@_made.add("code behind files within files", "limits")
def _(canary: Path) -> bytes:
    inner = _file(b"")
    for _ in range(10):
        inner = _file(call(_LOAD, inner) + b"0")
    return beside_weights(canary, call(_LOAD, inner) + b"0" + _run(canary))


BEYOND: tuple[Bypass, ...] = tuple(_made.made)
