"""What the source files of a package define, read as syntax: nothing of it is imported or run."""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["ClassSource", "ModuleSource", "Sources"]

_UNREAD = frozenset({"_inductor", "testing", "tests", "onnx", "_numpy", "_refs", "f2py"})
_BLOCKS = (ast.If, ast.Try, ast.With)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClassSource:
    """One class: its bases as they are written, and the names that its body defines."""

    module: str
    qualname: str
    bases: tuple[str, ...]
    decorators: frozenset[str]
    body: frozenset[str]
    is_tuple: bool = False


@dataclasses.dataclass(slots=True, kw_only=True)
class ModuleSource:
    """One module: what it defines, and what its names stand for."""

    name: str
    is_package: bool
    classes: dict[str, ClassSource] = dataclasses.field(default_factory=dict)
    functions: set[str] = dataclasses.field(default_factory=set)
    stands_for: dict[str, str] = dataclasses.field(default_factory=dict)
    stars: list[str] = dataclasses.field(default_factory=list)


class Sources:
    """The modules below some folders, and which class a name in one of them means.

    Args:
        packages: their folders, as ``site-packages/torch``.
    """

    def __init__(self, packages: Iterable[Path]) -> None:
        self.modules: dict[str, ModuleSource] = {}
        for folder in packages:
            for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.pyi"))):
                below = path.relative_to(folder.parent)
                if _UNREAD.isdisjoint(below.parts):
                    self._read(path, below)

    def _read(self, path: Path, below: Path) -> None:
        parts = list(below.with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        if name in self.modules and path.suffix == ".pyi":
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # Python 2, or a template
            return
        module = ModuleSource(name=name, is_package=is_package)
        self.modules[name] = module
        _collect(tree.body, module)

    def resolve(self, module: str, dotted: str, depth: int = 0) -> str:
        """The full name of what a name in a module means; as it is where nobody defines it."""
        source = self.modules.get(module)
        if source is None or depth > 20:
            return f"{module}.{dotted}" if module else dotted
        if dotted in source.classes or dotted in source.functions:
            return f"{module}.{dotted}"
        head, _, rest = dotted.partition(".")
        target = source.stands_for.get(head)
        if target is not None:
            return self._follow(f"{target}.{rest}" if rest else target, depth)
        if f"{module}.{head}" in self.modules and rest:
            return self.resolve(f"{module}.{head}", rest, depth + 1)
        for star in source.stars:
            found = self.resolve(star, dotted, depth + 1)
            if self.find(found) is not None:
                return found
        return dotted if depth == 0 else f"{module}.{dotted}"

    def _follow(self, full: str, depth: int) -> str:
        parts = full.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:length])
            if module in self.modules:
                return self.resolve(module, ".".join(parts[length:]), depth + 1)
        return full

    def find(self, full: str) -> ClassSource | None:
        """The class of this full name, where a folder defines it."""
        parts = full.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = self.modules.get(".".join(parts[:length]))
            if module is not None:
                return module.classes.get(".".join(parts[length:]))
        return None

    def ancestors(self, cls: ClassSource) -> dict[str, ClassSource | None]:
        """All that a class inherits from, by full name; None for what no folder defines."""
        found: dict[str, ClassSource | None] = {}
        waiting = [cls]
        while waiting:
            current = waiting.pop()
            for base in current.bases:
                full = self.resolve(current.module, base)
                if full not in found:
                    found[full] = self.find(full)
                    waiting.extend(filter(None, [found[full]]))
        return found


def _collect(body: Iterable[ast.stmt], module: ModuleSource) -> None:
    for node in body:
        match node:
            case ast.ClassDef():
                _collect_class(node, module, "")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                module.functions.add(node.name)
            case ast.Import():
                for alias in node.names:
                    head = alias.name.partition(".")[0]
                    module.stands_for[alias.asname or head] = alias.name if alias.asname else head
            case ast.ImportFrom():
                _collect_import(node, module)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _collect_assignment(name, value, module)
            case _ if isinstance(node, _BLOCKS):
                _collect(_inner(node), module)


def _inner(node: ast.If | ast.Try | ast.With) -> Iterator[ast.stmt]:
    # What is defined first is what stands under a newer Python, or where an import succeeds.
    yield from getattr(node, "orelse", [])
    for handler in getattr(node, "handlers", []):
        yield from handler.body
    yield from node.body


def _collect_import(node: ast.ImportFrom, module: ModuleSource) -> None:
    base = node.module or ""
    if node.level:
        parts = module.name.split(".")
        kept = len(parts) - node.level + (1 if module.is_package else 0)
        base = ".".join([*parts[:kept], *([base] if base else [])])
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(base)
        else:
            module.stands_for.setdefault(alias.asname or alias.name, f"{base}.{alias.name}")
            module.stands_for[alias.asname or alias.name] = f"{base}.{alias.name}"


def _collect_assignment(name: str, value: ast.expr, module: ModuleSource) -> None:
    match value:
        case ast.Name() | ast.Attribute():
            module.stands_for[name] = ast.unparse(value)
        case ast.Call(func=function, args=[ast.Constant(value=str(made)), *_]) if ast.unparse(
            function
        ).rpartition(".")[2] in {"namedtuple", "NamedTuple"}:
            module.classes[made] = ClassSource(
                module=module.name,
                qualname=made,
                bases=("typing.NamedTuple",),
                decorators=frozenset(),
                body=frozenset(),
                is_tuple=True,
            )


def _collect_class(node: ast.ClassDef, module: ModuleSource, outer: str) -> None:
    qualname = f"{outer}{node.name}"
    bases = tuple(
        ast.unparse(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases
    )
    tuples = [base for base in node.bases if _makes_a_tuple(base)]
    module.classes[qualname] = ClassSource(
        module=module.name,
        qualname=qualname,
        bases=tuple("typing.NamedTuple" if b in map(ast.unparse, tuples) else b for b in bases),
        decorators=frozenset(
            ast.unparse(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2]
            for d in node.decorator_list
        ),
        body=frozenset(_names_of_body(node)),
    )
    for inner in node.body:
        if isinstance(inner, ast.ClassDef):
            _collect_class(inner, module, f"{qualname}.")


def _makes_a_tuple(base: ast.expr) -> bool:
    return isinstance(base, ast.Call) and ast.unparse(base.func).endswith("amedtuple")


def _names_of_body(node: ast.ClassDef) -> Iterator[str]:
    for inner in node.body:
        match inner:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if not any(ast.unparse(d) == "property" for d in inner.decorator_list):
                    yield inner.name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
