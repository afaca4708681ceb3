"""Mutants of a module: its source with one thing broken, each of them a text of its own."""

from __future__ import annotations

import ast
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut.mutation import mutators

__all__ = ["Module", "Mutant"]

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
_LONG = 12
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
        parts: the whole module: what stands before the statement, the statement, what follows.
        nth: which of those that read the same in the same place, from 1.
    """

    path: str
    line: int
    where: str
    before: str
    after: str
    parts: tuple[str, str, str]
    nth: int = 1

    @property
    def source(self) -> str:
        """The whole module."""
        return "".join(self.parts)

    @property
    def key(self) -> str:
        """A name that stays while other lines move."""
        more = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.path}\t{self.where}\t{self.before}\t{self.after}{more}"


class Module:
    """The mutants of a module, made a statement of its own level at a time.

    Source: the operators of mutmut 3 (`mutmut.mutation.mutators`), and four more of
    what was broken by hand and not noticed: a condition dropped, an element of a tuple or set left
    out, a call left out, a question answered beforehand.
    """

    def __init__(self, root: Path, path: str) -> None:
        """Args: root of the repository; path of the module in it."""
        self.path = path
        self._source = (root / path).read_text(encoding="utf-8")
        self._module = cst.parse_module(self._source)
        self._codes = [self._module.code_for_node(one) for one in self._module.body]
        self._start = self._source.index("".join(self._codes))
        self._places = _places(ast.parse(self._source))
        self._made: dict[int, list[Mutant]] = {}

    def all(self) -> list[Mutant]:
        """Every mutant, in the order of the lines; the same each time."""
        return [one for at in range(len(self._codes)) for one in self._of(at)]

    def near(self, lines: Iterable[int]) -> list[Mutant]:
        """Those of some lines."""
        wanted = set(lines)
        found: list[Mutant] = []
        line = 1 + self._source[: self._start].count("\n")
        for at, code in enumerate(self._codes):
            end = line + code.count("\n")
            if wanted & set(range(line, end + 1)):
                found += [one for one in self._of(at) if one.line in wanted]
            line = end
        return found

    def draw(self, count: int, chance: random.Random) -> list[Mutant]:
        """Some of them, at random; a long statement is drawn as often as it is long."""
        found: dict[str, Mutant] = {}
        sizes = [len(code) for code in self._codes]
        for _ in range(20 * count):  # imports and texts have none
            (at,) = chance.choices(range(len(sizes)), sizes)
            if of_it := self._of(at):
                one = chance.choice(of_it)
                found[one.key] = one
            if len(found) == count:
                break
        return [*found.values()]

    def _of(self, at: int) -> list[Mutant]:
        if at not in self._made:
            self._made[at] = list(self._make(at))
        return self._made[at]

    def _make(self, at: int) -> Iterator[Mutant]:
        finder = _Finder()
        statement = self._module.body[at]
        statement.visit(finder)
        before = self._source[: self._start] + "".join(self._codes[:at])
        after = self._source[len(before) + len(self._codes[at]) :]
        lines = self._codes[at].splitlines()
        first = before.count("\n") + 1
        texts = {self._codes[at]}
        seen: Counter[str] = Counter()
        for node, other in finder.found:
            if node is statement:
                changed = other
            else:
                replaced = (
                    statement.deep_replace(node, other) if other else statement.deep_remove(node)
                )
                changed = replaced if isinstance(replaced, cst.CSTNode) else None
            text = "" if changed is None else self._module.code_for_node(changed)
            if text in texts or not _is_python(text):
                continue
            texts.add(text)
            new = text.splitlines()
            line = _first_difference(lines, new)
            where = _where(self._places, first + line)
            one = Mutant(
                self.path,
                first + line,
                where,
                _line(lines, line),
                _line(new, line),
                (before, text, after),
            )
            seen[one.key] += 1
            yield replace(one, nth=seen[one.key])


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
    """`(a, b, c)` without each; of a long table, without three. A subscript's is a type."""
    if isinstance(node, cst.Tuple | cst.Set) and len(node.elements) > 1:
        last = len(node.elements) - 1
        for at in range(last + 1) if last < _LONG else (0, last // 2, last):
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
