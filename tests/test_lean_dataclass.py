"""Our dataclasses do what Python's own do, which are the oracle here."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.lean_dataclass import dataclass

_OPTIONS = st.fixed_dictionaries(
    {
        "frozen": st.booleans(),
        "slots": st.booleans(),
        "kw_only": st.booleans(),
        "eq": st.booleans(),
        "repr": st.booleans(),
    }
)
_FIELD = st.fixed_dictionaries(
    {},
    optional={
        "init": st.booleans(),
        "repr": st.booleans(),
        "compare": st.booleans(),
        "hash": st.sampled_from([None, True, False]),
        "kw_only": st.booleans(),
        "value": st.sampled_from(["default", "factory"]),
    },
)


def _field(options: dict[str, Any]) -> Any:
    known = {name: value for name, value in options.items() if name != "value"}
    match options.get("value"):
        case "default":
            known["default"] = 7
        case "factory":
            known["default_factory"] = list
    return dataclasses.field(**known)


def _plain(fields: list[dict[str, Any]], *, post: bool) -> type[Any]:
    names: dict[str, Any] = {
        "__annotations__": dict.fromkeys((f"f{index}" for index in range(len(fields))), "int"),
        "__doc__": "A class.",
        "__module__": __name__,
        "__qualname__": "Plain",
    }
    for index, options in enumerate(fields):
        names[f"f{index}"] = _field(options)
    if post:
        names["__post_init__"] = lambda self: object.__setattr__(self, "f0", "post")
    return type("Plain", (), names)


def _outcome(call: Any) -> Any:
    """What a call gives, or how it fails."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  (whatever it is, both have to fail alike)
        return type(error), str(error)


def _shown(signature: inspect.Signature) -> list[tuple[object, ...]]:
    """A signature; of a default that is made anew only that there is one."""
    return [
        (one.name, one.kind, one.annotation, repr(one.default)[:7])
        for one in signature.parameters.values()
    ]


@given(
    fields=st.lists(_FIELD, max_size=4),
    options=_OPTIONS,
    post=st.booleans(),
    values=st.lists(st.integers(0, 2), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_it_is_made_shown_compared_and_changed_as_pythons_own(
    fields: list[dict[str, Any]], options: dict[str, bool], post: bool, values: list[int]
) -> None:
    post = post and bool(fields)
    theirs = _outcome(lambda: dataclasses.dataclass(**options)(_plain(fields, post=post)))
    ours = _outcome(lambda: dataclass(**options)(_plain(fields, post=post)))
    if isinstance(theirs, tuple):  # an order of fields that cannot be: told at once, or when made
        assert isinstance(ours, tuple) or isinstance(_outcome(ours), tuple)
        return
    both = (ours, theirs)

    def same(call: Any) -> None:
        ask, answer = (_outcome(lambda cls=cls: call(cls)) for cls in both)
        assert ask == answer

    same(lambda cls: _shown(inspect.signature(cls)))
    same(lambda cls: cls.__match_args__)
    same(lambda cls: [field.name for field in dataclasses.fields(cls)])
    same(lambda cls: hasattr(cls, "__slots__"))
    same(lambda cls: (cls.__dataclass_params__.frozen, cls.__dataclass_params__.eq))
    same(lambda cls: cls(*values) and "made")
    names = [field.name for field in dataclasses.fields(theirs) if field.init]
    given_ = dict(zip(names, values, strict=False))
    same(lambda cls: cls(**given_) and "made")
    same(lambda cls: cls(**given_, other=1))
    same(lambda cls: dataclasses.asdict(cls(**given_)))
    same(lambda cls: cls(**given_) == cls(**given_))
    same(lambda cls: cls(**given_) == 5)
    same(lambda cls: cls(**given_) == cls(**dict.fromkeys(names, 9)))
    same(lambda cls: hash(cls(**dict.fromkeys(names, 9))) if options["eq"] else "by place")
    same(
        lambda cls: dataclasses.asdict(
            dataclasses.replace(cls(**given_), **dict.fromkeys(names[:1], 4))
        )
    )
    for name in [f"f{index}" for index in range(len(fields))]:
        same(lambda cls, name=name: setattr(cls(**given_), name, 1))
        same(lambda cls, name=name: delattr(cls(**given_), name))
    if not (options["frozen"] and options["slots"]):  # Python's own fail there by a bug of theirs
        same(lambda cls: setattr(cls(**given_), "other", 1))
    same(lambda cls: dataclasses.asdict(copy.copy(cls(**given_))))
    if options["repr"]:
        same(lambda cls: repr(cls(**given_)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sub(_Base):
    c: str = "c"

    def __hash__(self) -> int:
        return 11


@dataclass(slots=True)
class _Open:
    a: int
    inner: object = None

    def __repr__(self) -> str:
        return "mine"


@dataclass(frozen=True)
class _Node:
    inner: object = None


def test_each_instance_has_a_list_of_its_own() -> None:
    first, second = _Base(a=1), _Base(a=1)
    first.b.append(5)
    assert second.b == []


def test_what_a_class_inherits_comes_first_and_its_own_methods_stay() -> None:
    made = _Sub(a=1, c="d")
    assert repr(made) == "_Sub(a=1, b=[], c='d')"
    assert hash(made) == 11
    assert made != _Base(a=1)
    assert repr(_Open(1)) == "mine"


def test_frozen_ones_survive_pickling_and_stay_frozen() -> None:
    made = pickle.loads(pickle.dumps(_Sub(a=1, b=[2])))
    assert made == _Sub(a=1, b=[2])
    with pytest.raises(FrozenInstanceError):
        made.a = 2


def test_one_that_holds_itself_is_shown() -> None:
    one = _Node([])
    one.inner.append(one)  # type: ignore[attr-defined]
    assert repr(one) == "_Node(inner=[...])"


def test_the_same_value_that_is_no_number_is_equal() -> None:
    nan = float("nan")
    assert _Base(a=nan) == _Base(a=nan)  # type: ignore[arg-type]
    assert _Base(a=nan) != _Base(a=float("nan"))  # type: ignore[arg-type]


def test_the_types_of_the_house_stay_dataclasses() -> None:
    for cls in (Checkpoint, TensorRecord):
        assert dataclasses.is_dataclass(cls)
        assert hasattr(cls, "__slots__")
        kinds = {one.kind for one in inspect.signature(cls).parameters.values()}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}
