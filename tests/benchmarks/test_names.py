"""The walk finds code behind every kind of name, and none behind those that we hold as plain."""

from __future__ import annotations

import functools
import os
import types
from typing import Any

import pytest

from ckptdoctor.formats.pickle.names import Use, judge
from tests.benchmarks import names_walk
from tests.benchmarks.names import table_of
from tests.benchmarks.names_code import hard_primitives, own_name
from tests.benchmarks.names_walk import Walk, walked

_FEW = ("json", "fractions", "collections", "numpy", "filelock", "jinja2", "typing_extensions")


class Layer:
    """Harmless, as far as it is itself concerned."""

    run = os.system
    size = 3

    def forward(self) -> int:
        return self.size


def made() -> types.ModuleType:
    module = types.ModuleType("made")
    members: dict[str, Any] = {
        "Layer": Layer, "codecs": types, "system": os.system, "load": functools.partial(print),
        "epoch": 1, "forward": Layer.forward,
    }  # fmt: skip
    vars(module).clear()
    vars(module).update(members)
    return module


def walk_with(monkeypatch: pytest.MonkeyPatch, *plain: str) -> Walk:
    """The walk over the module above, if these names of it were plain and all others code."""

    def judging(module: str, name: str) -> Use:
        return Use.NAMED if module == "made" and name in plain else Use.CODE

    monkeypatch.setattr(names_walk, "judge", judging)
    judged = names_walk._Judge(limit=1000, seed=0)
    judged.module("made", made())
    return judged.walk


def test_what_is_held_as_code_is_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = walk_with(monkeypatch)
    assert (walk.plain, walk.wrong) == (0, [])
    assert walk.paths > 50


def test_a_value_is_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = walk_with(monkeypatch, "epoch", "Layer.size")
    assert (walk.plain, walk.wrong) == (2, [])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("system", "posix.system"),
        ("Layer.run", "posix.system"),
        ("codecs", "the module types"),
        ("codecs.CodeType", "types.CodeType"),
        ("codecs.SimpleNamespace", "goes through a module"),
        ("forward.__globals__", "goes through a function"),
        ("load", "functools: partial, which is code"),
    ],
)
@pytest.mark.one_in(4)
def test_each_kind_of_code_is_found(monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    wrong = walk_with(monkeypatch, name).wrong
    assert [(module, found) for module, found, _ in wrong] == [("made", name)]
    assert why in wrong[0][2]


def test_code_under_its_own_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = walk_with(monkeypatch, "Layer").wrong
    assert wrong == [("made", "Layer", f"{__name__}: Layer, which is code")]


def test_an_own_name_leads_back() -> None:
    assert own_name(os.system) == ("posix", "system")
    assert own_name(dict.get) == ("builtins", "dict.get")
    assert own_name({}.get) is None
    assert own_name(dict.fromkeys) == ("builtins", "dict.fromkeys")
    assert own_name(Layer.forward) == (__name__, "Layer.forward")
    assert own_name(3) is None


def test_what_is_code_beyond_doubt_is_held_as_code() -> None:
    """Each by the name under which the list has it."""
    assert len(hard_primitives()) > 200
    names = [name for name, _ in hard_primitives().values()]
    assert {name for name in names if judge(*_parted(name)) in names_walk.PLAIN} == set()


def _parted(dotted: str) -> tuple[str, str]:
    """Module and name; a class of these names begins with a capital letter."""
    parts = dotted.split(".")
    start = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    start = min(start, len(parts) - 1)
    return ".".join(parts[:start]), ".".join(parts[start:])


def test_the_table_tells_the_figures() -> None:
    walk = Walk(modules=7, paths=1234, plain=5, wrong=[("a", "b", "c")], seconds=1.2)
    assert table_of(walk).splitlines()[-1] == "| 7 | 1,234 | 5 | 1 | 1 |"


@pytest.mark.slow
@pytest.mark.parametrize("tops", [_FEW, ("torch",)], ids=["few", "torch"])
def test_no_plain_name_reaches_code(tops: tuple[str, ...]) -> None:
    walk = walked(tops, paths_each=300, timeout_s=280)
    assert walk.modules > 100
    assert walk.paths > 50_000
    assert walk.wrong[:20] == []
