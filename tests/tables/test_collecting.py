"""The collector reads sources; what it cannot resolve it leaves out."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.tables.__main__ import Names, collect, main
from tests.tables.areas import Area
from tests.tables.kinds import Use
from tests.tables.sources import Sources

_FILES = {
    "__init__.py": "from .nets import Net\n",
    "nets.py": """
import enum
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple
from torch import nn
from .base import Base as Parent
from elsewhere import Strange

raise RuntimeError("nobody runs this")

class Net(nn.Module):
    class Inner(nn.Module): ...
class Child(Parent): ...
class Odd(Strange): ...
class Kind(str, enum.Enum): A = "a"
class Point(NamedTuple): x: int
Pair = namedtuple("Pair", "a b")
@dataclass
class Options: rate: float = 0.1
def activate(x): ...
def load_weights(path): ...
def _hidden(): ...
def make():
    class Local(nn.Module): ...
""",
    "base.py": "from torch.nn import Module\nclass Base(Module): ...\n",
    "broken.py": "print 'Python 2'\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "kit"
    folder.mkdir()
    for name, text in _FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_kinds_are_told_apart_and_the_unknown_is_left_out(package: Path) -> None:
    names: Names = {use: defaultdict(set) for use in Use}
    area = Area(table="kit", title="", classes=("kit",), functions=("kit",), without=("kit.base",))
    collect(area, Sources([package]), names)
    assert names[Use.BUILT] == {
        "kit.nets": {"Child", "Net", "Net.Inner", "Options", "Pair", "Point"}
    }
    assert names[Use.CALLED] == {"kit.nets": {"Kind"}}
    assert names[Use.NAMED] == {"kit.nets": {"activate", "make"}}


def test_without_packages_it_says_how_to_call_it() -> None:
    with pytest.raises(SystemExit, match="PACKAGE"):
        main([])
