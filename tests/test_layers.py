"""No modules of the package import each other in a circle, not even for their types."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ckptdoctor
from tests.each import each


def modules_of(package: Path) -> dict[str, Path]:
    names = {path: path.relative_to(package.parent) for path in package.rglob("*.py")}
    dotted = {path: ".".join(name.with_suffix("").parts) for path, name in names.items()}
    return {name.removesuffix(".__init__"): path for path, name in dotted.items()}


def imported(module: str, modules: dict[str, Path]) -> Iterator[str]:
    """What a module imports of its package, wherever in the file it does so."""
    path = modules[module]
    parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in modules)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), parent)
            wanted = {f"{source}.{one.name}" for one in node.names}
            yield from wanted & modules.keys()
            if source in modules and not wanted <= modules.keys():
                yield source


def circle(package: Path) -> list[str]:
    """Modules of which each imports the next, and the last is the first; none without a circle."""
    modules = modules_of(package)
    graph = {module: set(imported(module, modules)) - {module} for module in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle() -> None:
    found = circle(Path(ckptdoctor.__file__).parent)
    assert not found, "\n imports ".join(found)


@each(
    "back",
    [
        "import house.a",
        "from house.a import x",
        "from house import a",
        "from .a import x",
        "from . import a, b",
        "if TYPE_CHECKING:\n    from house.a import x",
        "def f():\n    from house.a import x",
    ],
)
def test_a_circle_is_noticed(tmp_path: Path, back: str) -> None:
    house = tmp_path / "house"
    house.mkdir()
    for name, text in {"__init__": "", "a": "from house import b", "b": "import os"}.items():
        (house / f"{name}.py").write_text(text)
    assert circle(house) == []
    (house / "b.py").write_text(back)
    assert set(circle(house)) == {"house.a", "house.b"}
