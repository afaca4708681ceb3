"""Which names a pickle asks for, and what it does with them, as the C unpickler of Python has it.

Nothing is imported: every name becomes an inert class that notes how it is used.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch

__all__ = ["Names", "names_of", "pickled"]

Names = dict[tuple[str, str], set[str]]
"""How each pair of module and name is used.

"called", "made" by a call without arguments, "built", as a "member" of a class, or not at all.
"""


class _Stub(type):
    names: Names
    pair: tuple[str, str]
    recorder: _Recorder

    def __call__(cls, *args: object, **kwargs: object) -> Any:
        cls.names[cls.pair].add("called" if args else "made")
        if cls.pair[1] == "getattr":  # of a class that lies within another, in protocols 0 to 3
            owner, attribute = args
            if isinstance(owner, _Stub):
                found = cls.recorder.find_class(owner.pair[0], f"{owner.pair[1]}.{attribute}")
                cls.names[found.pair].add("member")
                return found
        return type.__call__(_Blank)


class _Blank:
    def __setstate__(self, state: object) -> None: ...
    def __setitem__(self, key: object, value: object) -> None: ...
    def __call__(self, *args: object) -> _Blank:
        return self

    def append(self, item: object) -> None: ...
    def extend(self, items: object) -> None: ...
    def add(self, item: object) -> None: ...


class _Recorder(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: Names = {}

    def find_class(self, module: str, name: str) -> _Stub:
        pair = (module, name)
        names = self.names
        names.setdefault(pair, set())

        def build(cls: type, *args: object, **kwargs: object) -> _Blank:
            names[pair].add("built")
            return _Blank()

        own = {"names": names, "pair": pair, "recorder": self, "__new__": build}
        return _Stub("stub", (_Blank,), own)

    def persistent_load(self, pid: object) -> _Blank:
        return _Blank()


class _TensorPickler(pickle.Pickler):
    """Leaves storages out, as ``torch.save`` does."""

    def persistent_id(self, obj: object) -> str | None:
        storage = isinstance(obj, torch.storage.TypedStorage | torch.UntypedStorage)
        return "storage" if storage else None


def pickled(obj: object, protocol: int) -> bytes:
    """The bytes of an object, its storages left out."""
    buffer = io.BytesIO()
    _TensorPickler(buffer, protocol).dump(obj)
    return buffer.getvalue()


def names_of(data: bytes) -> Names:
    """Every name that the pickle asks for, and how it is used."""
    recorder = _Recorder(data)
    recorder.load()
    return recorder.names
