"""What Python's own unpickler, the one in C, asks for by name; nothing real is imported or called.

Its ``find_class`` notes the name and answers with a class of which objects can be made, called,
filled and compared at will, so that it reads on as far as any program could let it.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from typing import Any, Self

__all__ = ["READINGS", "names_asked_for"]

_FULL_PEEK = 1 << 30


class _Obliging(type):
    """A class that may be called, filled and subscripted itself."""

    def __setitem__(cls, key: object, value: object) -> None:
        pass

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *_: object, **__: object) -> Any:
        return cls.__new__(cls)  # type: ignore[call-overload]


class Inert(metaclass=_Obliging):
    """Whatever a pickle names."""

    def __new__(cls, *_: object, **__: object) -> Self:
        return object.__new__(cls)

    def __call__(self, *_: object, **__: object) -> Inert:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    append = extend = add = __setstate__ = staticmethod(lambda *_: None)


class _Recorder(pickle.Unpickler):
    def __init__(self, file: Any, names: list[tuple[str, str]]) -> None:
        super().__init__(file, encoding="utf-8")
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        self._names.append((module, name))
        return Inert

    def persistent_load(self, _: Any) -> Any:
        return Inert()


class _Whole(io.BytesIO):
    """A file that can be peeked into to its end, as if all of it were in memory."""

    def peek(self, _: int = 0) -> bytes:
        return self.getvalue()[self.tell() :]


def _buffered(nbytes: int) -> Any:
    return lambda data: io.BufferedReader(io.BytesIO(data), nbytes)


READINGS: tuple[Any, ...] = (io.BytesIO, _Whole, _buffered(4096), _buffered(8192))
"""Makes the files from which a pickle may be read; what is in a frame that lies depends on them."""


def names_asked_for(data: bytes, reading: Any = io.BytesIO) -> list[tuple[str, str]]:
    """The pairs of module and name for which the unpickler asks, up to where it gives up."""
    names: list[tuple[str, str]] = []
    with contextlib.suppress(Exception):
        _Recorder(reading(data), names).load()
    return names
