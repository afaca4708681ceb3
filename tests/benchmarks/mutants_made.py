"""Mutants of a module: its source with one thing broken, each of them a text of its own."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

__all__ = ["Mutant", "mutants_of"]

_OF_MUTMUT = (
    "operator_number",
    "operator_name",
    "operator_augmented_assignment",
    "operator_remove_unary_ops",
    "operator_symmetric_string_methods_swap",
    "operator_unsymmetrical_string_methods_swap",
    "operator_keywords",
    "operator_swap_op",
    "operator_match",
    "operator_if_exp",
)
"""Not arguments and values that become None: these nearly always end in a TypeError, which any test
notices, and make the share look better than it is. Nor the words of messages."""
_LIKE_AND = (cst.And, cst.Or, cst.BitAnd, cst.BitOr)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken line.

    Attributes:
        path: of the module, from the root of the repository.
        line: the first that differs, from 1.
        where: the function or class around it, with dots; "" at the module's own level.
        before: that line, stripped.
        after: what it became, stripped; where it is gone, what stands there now.
        source: the whole module.
        nth: which of those that read the same in the same place, from 1.
    """

    path: str
    line: int
    where: str
    before: str
    after: str
    source: str
    nth: int = 1

    @property
    def key(self) -> str:
        """A name that stays while other lines move."""
        more = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.path}\t{self.where}\t{self.before}\t{self.after}{more}"


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines; the same each time.

    Args:
        root: of the repository.
        path: of the module in it.

    Source: the operators of mutmut 3 (`mutmut.mutation.mutators`), and four more of
    what was broken by hand and not noticed: a condition dropped, an element of a tuple or set left
    out, a call left out, a question answered beforehand.
    """
    source = (root / path).read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=False)
    finder = _Finder()
    wrapper.visit(finder)
    module, lines = wrapper.module, source.splitlines()
    places = _places(ast.parse(source))
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    texts = {source}
    for node, other in finder.found:
        changed = module.deep_replace(node, other) if other else module.deep_remove(node)
        assert isinstance(changed, cst.Module)
        text = changed.code
        if text in texts or not _is_python(text):
            continue
        texts.add(text)
        at = _first_difference(lines, text.splitlines())
        one = Mutant(
            path,
            at + 1,
            _where(places, at + 1),
            _line(lines, at),
            _line(text.splitlines(), at),
            text,
        )
        seen[one.key] = nth = seen.get(one.key, 0) + 1
        found.append(
            Mutant(path, one.line, one.where, one.before, one.after, text, nth) if nth > 1 else one
        )
    return sorted(found, key=lambda one: one.line)


def _line(lines: list[str], at: int) -> str:
    return lines[at].strip().replace("\t", " ") if at < len(lines) else ""


def _first_difference(one: list[str], other: list[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_python(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _places(tree: ast.AST, within: str = "") -> list[tuple[int, int, str]]:
    places: list[tuple[int, int, str]] = []
    for node in ast.iter_child_nodes(tree):
        inner = within
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            inner = f"{within}.{node.name}" if within else node.name
            places.append((node.lineno, node.end_lineno or node.lineno, inner))
        places += _places(node, inner)
    return places


def _where(places: Iterable[tuple[int, int, str]], line: int) -> str:
    """The innermost: what stands later lies deeper."""
    return ([""] + [name for first, last, name in places if first <= line <= last])[-1]


class _Finder(cst.CSTVisitor):
    """Collects what becomes of each node; None where it is taken out."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode | None]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return False
        if isinstance(node, cst.Assign) and _assigns_all(node):
            return False
        if isinstance(node, cst.Param):  # its default counts, its type does not
            if node.default is not None:
                node.default.visit(self)
            return False
        self.found += [(node, other) for other in _others(node)]
        return True


def _assigns_all(node: cst.Assign) -> bool:
    target = node.targets[0].target
    return isinstance(target, cst.Name) and target.value == "__all__"


def _others(node: cst.CSTNode) -> Iterator[cst.CSTNode | None]:
    for kind, operator in mutators.mutation_operators:
        if operator.__name__ in _OF_MUTMUT and isinstance(node, kind):
            yield from operator(node)
    for own in _OWN:
        yield from own(node)


def _conditions(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`a and b` as `a`, and as `b`; `|` and `&` of sets too."""
    if isinstance(node, cst.BooleanOperation | cst.BinaryOperation) and isinstance(
        node.operator, _LIKE_AND
    ):
        for side in (node.left, node.right):
            yield side.with_changes(
                lpar=[cst.LeftParen(), *side.lpar], rpar=[*side.rpar, cst.RightParen()]
            )


def _elements(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`(a, b, c)` without each; a subscript's is a type."""
    if isinstance(node, cst.Tuple | cst.Set) and len(node.elements) > 1:
        for at in range(len(node.elements)):
            rest: list[Any] = [*node.elements[:at], *node.elements[at + 1 :]]
            if len(rest) == 1 and isinstance(node, cst.Tuple):
                rest = [rest[0].with_changes(comma=cst.Comma())]
            yield node.with_changes(elements=rest)


def _calls(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A call that stands by itself, left out."""
    if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1:
        (only,) = node.body
        if isinstance(only, cst.Expr) and isinstance(only.value, cst.Call):
            yield node.with_changes(body=[cst.Pass()])


def _answers(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A condition that is returned, always true and always false."""
    if isinstance(node, cst.Return) and isinstance(
        node.value, cst.Comparison | cst.BooleanOperation
    ):
        for name in ("True", "False"):
            yield node.with_changes(value=cst.Name(name))


_OWN: tuple[Callable[[cst.CSTNode], Iterator[cst.CSTNode]], ...] = (
    _conditions,
    _elements,
    _calls,
    _answers,
)
