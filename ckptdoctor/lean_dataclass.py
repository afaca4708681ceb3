"""Dataclasses that are made in a fifth of the time.

Python compiles half a dozen methods for each dataclass, half a millisecond in all. Two hundred such
classes are imported to scan one small file: that was a third of what it took. Here ``__init__``
alone is compiled, when the class is made, so that nothing is while a file is read; the other
methods are the same functions for all classes. What comes out is a dataclass to everybody:
``dataclasses.fields``, ``replace``, ``asdict``, pickling, matching, signatures. ``InitVar`` and
``order`` are left to Python's own.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


class _Factory:
    """The default of an argument whose value is made anew for each instance."""

    def __repr__(self) -> str:
        return "<factory>"  # in signatures, as Python's own


_FACTORY = _Factory()


def _init_of(cls: type[Any], *, frozen: bool) -> Any:
    """The constructor of a dataclass, as Python itself would compile it."""
    names: dict[str, object] = {"_MADE": _FACTORY}
    places: list[str] = []
    named: list[str] = []
    body: list[str] = []
    annotations: dict[str, Any] = {}
    for index, field in enumerate(dataclasses.fields(cls)):
        value = field.name
        if field.default_factory is not MISSING:
            names[f"_make_{index}"] = field.default_factory
            value = f"_make_{index}()"
            if field.init:
                value = f"{value} if {field.name} is _MADE else {field.name}"
        elif field.default is not MISSING:
            names[f"_default_{index}"] = field.default
            if not field.init:
                if not _has_slot(cls, field.name):
                    continue  # the class itself has it
                value = f"_default_{index}"
        elif not field.init:
            continue
        if field.init:
            annotations[field.name] = field.type
            (named if field.kw_only else places).append(_argument(index, field))
        body.append(_assigned(cls, index, field.name, value, names, frozen=frozen))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    arguments = ", ".join(["self", *places, *(["*", *named] if named else [])])
    source = f"def __init__({arguments}):\n  " + "\n  ".join(body or ["pass"])
    exec(source, names)  # noqa: S102  (names of fields alone, which are identifiers)
    init: Any = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {**annotations, "return": None}
    return init


def _has_slot(cls: type[Any], name: str) -> bool:
    return isinstance(getattr(cls, name, None), MemberDescriptorType)


def _argument(index: int, field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=_MADE"
    return field.name if field.default is MISSING else f"{field.name}=_default_{index}"


def _assigned(
    cls: type[Any], index: int, name: str, value: str, names: dict[str, object], *, frozen: bool
) -> str:
    if not frozen:
        return f"self.{name} = {value}"
    if _has_slot(cls, name):  # a fifth faster than by its name
        names[f"_set_{index}"] = getattr(cls, name).__set__
        return f"_set_{index}(self, {value})"
    names["_set"] = object.__setattr__
    return f"_set(self, {name!r}, {value})"


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = (
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _values_of(names: list[str]) -> Callable[[Any], Any]:
    """What gives the values of these fields, as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


def _add_comparison(cls: type[Any], *, frozen: bool) -> None:
    own, fields = cls.__dict__, dataclasses.fields(cls)
    has_hash = own.get("__hash__") is not None
    if "__eq__" not in own:
        compared = _values_of([field.name for field in fields if field.compare])

        def equal(self: object, other: object) -> Any:
            if other.__class__ is self.__class__:
                return compared(self) == compared(other)
            return NotImplemented

        _add(cls, "__eq__", equal)
    if has_hash:
        return
    if not frozen:
        setattr(cls, "__hash__", None)  # noqa: B010  (for mypy)
        return
    counts = [(field.name, field.compare if field.hash is None else field.hash) for field in fields]
    hashed = _values_of([name for name, is_hashed in counts if is_hashed])

    def hash_of(self: object) -> int:
        return hash(hashed(self))

    _add(cls, "__hash__", hash_of)


def _freeze(cls: type[Any]) -> None:
    names = frozenset(field.name for field in dataclasses.fields(cls))

    def assign(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete(self: object, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    _add(cls, "__setattr__", assign)
    _add(cls, "__delattr__", delete)


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)  # of a frozen one as well


def _add(cls: type[Any], name: str, method: Callable[..., object]) -> None:
    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    setattr(cls, name, method)


def _dataclass(
    cls: type[Any] | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002  (as Python's own)
) -> Any:
    """A dataclass; see :func:`dataclasses.dataclass`, whose arguments these are."""

    def made(plain: type[Any]) -> type[Any]:
        if any(
            map(dataclasses.is_dataclass, plain.__mro__)
        ):  # which of them may be frozen is theirs
            theirs = dataclasses.dataclass(
                frozen=frozen, slots=slots, kw_only=kw_only, eq=eq, repr=repr
            )
            return theirs(plain)
        if plain.__doc__ is None:
            plain.__doc__ = plain.__name__  # or else Python would spell its signature
        bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
        cls: type[Any] = bare(plain)
        own = frozenset(cls.__dict__)
        if "__init__" not in own:
            setattr(cls, "__init__", _init_of(cls, frozen=frozen))  # noqa: B010  (for mypy)
        if repr and "__repr__" not in own:
            setattr(cls, "__repr__", _repr)  # noqa: B010
        if eq:
            _add_comparison(cls, frozen=frozen)
        if frozen:
            _freeze(cls)
            if slots and "__getstate__" not in own:
                setattr(cls, "__getstate__", _state)  # noqa: B010
                setattr(cls, "__setstate__", _restore)  # noqa: B010
        params: Any = getattr(cls, "__dataclass_params__")  # noqa: B009
        params.init, params.repr, params.eq, params.frozen = True, repr, eq, frozen
        return cls

    return made if cls is None else made(cls)


if TYPE_CHECKING:  # a type checker shall see what it knows
    from dataclasses import dataclass
else:
    dataclass = _dataclass
