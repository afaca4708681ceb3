"""Pickles put together opcode by opcode, as no pickler would write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

__all__ = ["Opcodes", "call", "getattr_of", "named", "pickle_of", "push", "with_state"]


class Opcodes(bytes):
    """Opcodes that leave one object on the stack."""


def push(value: Any) -> Opcodes:
    """Opcodes that push a plain value; :class:`Opcodes` stay as they are."""
    match value:
        case Opcodes():
            return value
        case None:
            return Opcodes(b"N")
        case bool():
            return Opcodes(b"\x88" if value else b"\x89")
        case int():
            return Opcodes(b"J" + struct.pack("<i", value))
        case str():
            raw = value.encode("utf-8", "surrogatepass")
            return Opcodes(b"X" + struct.pack("<I", len(raw)) + raw)
        case bytes():
            return Opcodes(b"B" + struct.pack("<I", len(value)) + value)
        case tuple():
            return Opcodes(b"(" + _all(value) + b"t")
        case list():
            return Opcodes(b"](" + _all(value) + b"e")
        case dict():
            flat = [part for pair in value.items() for part in pair]
            return Opcodes(b"}(" + _all(flat) + b"u")
    raise TypeError(value)


def _all(values: Iterable[Any]) -> bytes:
    return b"".join(push(value) for value in values)


def named(module: str, name: str) -> Opcodes:
    """A global; of protocol 4 where its name has dots, so that attributes are followed."""
    if "." in name:
        return Opcodes(push(module) + push(name) + b"\x93")
    return Opcodes(f"c{module}\n{name}\n".encode())


def call(function: Opcodes, *args: Any) -> Opcodes:
    """A call of what the opcodes push."""
    return Opcodes(function + push(args) + b"R")


def getattr_of(owner: Opcodes, attribute: str) -> Opcodes:
    """``getattr`` called on what the opcodes push."""
    return call(named("builtins", "getattr"), owner, attribute)


def with_state(instance: Opcodes, state: Any) -> Opcodes:
    """What BUILD makes of an object."""
    return Opcodes(instance + push(state) + b"b")


def pickle_of(opcodes: bytes, protocol: int = 4) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + opcodes + b"."
