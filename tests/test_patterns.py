"""No regular expression of ours takes more than a time that grows with the text.

Each is attacked by texts that its own parts suggest: what comes before a repeat, then many of what
the repeat takes, or many of both, then something that fits nowhere.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import ckptdoctor
from tests.costs import growth, processor_s

ROOT = Path(ckptdoctor.__file__).parent
ONLY_AT_A_PLACE = {"_REDIRECTION", "_NARROW"}  # matched where a word begins, never searched for
ENDS = ("", "\0", "!x", "\n1")
SMALL = (23, 100, 400, 1000)
HOPELESS_S = 0.1
"""For so few characters; what is linear or a square needs some milliseconds at most."""
FEW, MANY = 1000, 8000
FACTOR = 24
"""Eight times the text takes eight times as long, or 64 times where it is the square."""
TOO_SHORT_S = 0.008
"""The square of so many characters takes several times as long."""
SPECIMENS = " a1.-_=:/\"'[](\n\t<>\\\x1b;Ag"


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every pattern of the package, by where it stands."""
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text()
        if "import re\n" not in source:
            continue
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        module = importlib.import_module(name.removesuffix(".__init__"))
        for key, value in vars(module).items():
            for at, one in enumerate(within(value)):
                yield f"{name}:{key}:{at}", one
        for node in ast.walk(ast.parse(source)):
            if (pattern := written_in(node)) is not None:
                yield f"{name}:{pattern.pattern!r}", pattern


def within(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from within(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from within(one)


def written_in(node: ast.AST) -> re.Pattern[Any] | None:
    """The pattern of ``re.sub("...", ...)`` and the like."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="re"), attr=called),
            args=[ast.Constant(value=str() | bytes() as text), *_],
        ) if called != "compile":
            return re.compile(text)
        case _:
            return None


class Parts:
    """What a pattern is made of.

    Attributes:
        repeats: what fits before a repeat without end, and pieces that the repeat takes.
    """

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        text, flags = pattern.pattern, pattern.flags
        self.repeats: list[tuple[str, set[str]]] = []
        tree = parser.parse(text, flags)
        self.whole = self.fitting(tree, "")

    def fitting(self, tree: Any, before: str) -> str:
        """A text that fits ``before`` and what follows."""
        for code, argument in tree:
            before += self.piece(code, argument, before)
        return before

    def piece(self, code: Any, argument: Any, before: str) -> str:
        if code in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            least, most, inside = argument
            one = self.fitting(inside, before).removeprefix(before)
            if most > 50:
                self.repeats.append((before, {one, *self.pieces(inside)}))
            return one * int(max(1, least))
        if code is ops.SUBPATTERN:
            return self.fitting(argument[3], before).removeprefix(before)
        if code is ops.ATOMIC_GROUP:
            return self.fitting(argument, before).removeprefix(before)
        if code is ops.BRANCH:
            every = [self.fitting(one, before).removeprefix(before) for one in argument[1]]
            return max(every, key=len)
        if code in (ops.ASSERT, ops.ASSERT_NOT):
            self.fitting(argument[1], before)
            return ""
        return next(iter(specimens(code, argument)), "")

    def pieces(self, tree: Any) -> Iterator[str]:
        """What single characters of a repeat may be."""
        for code, argument in tree:
            if code is ops.BRANCH:
                for one in argument[1]:
                    yield from self.pieces(one)
            elif code is ops.SUBPATTERN:
                yield from self.pieces(argument[3])
            else:
                yield from specimens(code, argument)

    def attacks(self) -> Iterator[tuple[str, str]]:
        """Beginnings, and what is repeated behind them."""
        yield "", self.whole or "a"
        for before, many in self.repeats:
            for one in sorted(many - {""}):
                yield before, one
                yield "", before + one
                yield before, one + (before or " ")
                yield before + one, " " + one


def specimens(code: Any, argument: Any) -> list[str]:
    if code is ops.LITERAL:
        return [chr(argument)]
    if code is ops.ANY:
        return ["a", " "]
    if code not in (ops.IN, ops.NOT_LITERAL):
        return []
    fits = re.compile(rebuilt(code, argument), re.DOTALL)
    found = [one for one in SPECIMENS if fits.match(one)]
    return found[:4] or [chr(one) for one in range(256) if fits.match(chr(one))][:1]


def rebuilt(code: Any, argument: Any) -> str:
    if code is ops.NOT_LITERAL:
        return f"[^{re.escape(chr(argument))}]"
    return "[" + "".join(member(kind, value) for kind, value in argument) + "]"


def member(kind: Any, value: Any) -> str:
    if kind is ops.NEGATE:
        return "^"
    if kind is ops.RANGE:
        return "-".join(re.escape(chr(end)) for end in value)
    if kind is ops.CATEGORY:
        names: dict[Any, str] = {
            ops.CATEGORY_DIGIT: r"\d",
            ops.CATEGORY_NOT_DIGIT: r"\D",
            ops.CATEGORY_SPACE: r"\s",
            ops.CATEGORY_NOT_SPACE: r"\S",
            ops.CATEGORY_WORD: r"\w",
            ops.CATEGORY_NOT_WORD: r"\W",
        }
        return names[value]
    return re.escape(chr(value))


def use_of(name: str, pattern: re.Pattern[Any]) -> Callable[[Any], object]:
    if any(f":{one}:" in name for one in ONLY_AT_A_PLACE):
        return pattern.match

    def all_of_it(text: Any) -> None:
        for _ in pattern.finditer(text):
            pass
        pattern.fullmatch(text)

    return all_of_it


def hopeless(work: Callable[[Any], object], text: str | bytes) -> bool:
    took_s = processor_s(work, text)
    if not HOPELESS_S < took_s < 10 * HOPELESS_S:
        return took_s > HOPELESS_S
    return all(processor_s(work, text) > HOPELESS_S for _ in range(2))


def super_linear(name: str, pattern: re.Pattern[Any]) -> tuple[str, str, str] | None:
    """An attack under which ten times the text takes much more than ten times as long."""
    work = use_of(name, pattern)

    def text(size: int) -> str | bytes:
        made = before + one * (size // len(one)) + end
        return made.encode("latin-1") if isinstance(pattern.pattern, bytes) else made

    for before, one in dict.fromkeys(Parts(pattern).attacks()):
        for end in ENDS:
            attack = before, one, end
            if any(hopeless(work, text(size)) for size in SMALL):
                return attack
            if processor_s(work, text(MANY)) < TOO_SHORT_S:
                continue
            if growth(work, text(FEW), text(MANY), enough=FACTOR) > FACTOR:
                return attack
    return None


@cache
def every() -> dict[str, re.Pattern[Any]]:
    found: dict[tuple[Any, int], str] = {}
    for name, pattern in patterns():
        found.setdefault((pattern.pattern, pattern.flags), name)
    return {name: re.compile(*what) for what, name in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_no_pattern_of_ours_is_super_linear(part: int) -> None:
    found = {n: super_linear(n, p) for n, p in list(every().items())[part::4]}
    assert {name: attack for name, attack in found.items() if attack is not None} == {}


def test_the_patterns_are_all_there() -> None:
    names = " ".join(every())
    assert len(every()) > 60
    for one in ("pairs:_PAIR", "marks:_EPOCH", "sniff:_TITLE", "roles:_PATTERNS", "'"):
        assert one in names


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        r"(a+)+$",
        r"<title[^>]*>\s*(.*?)\s*</title>",
        r"epoch[\s:]{0,5}\d{1,7}(?P<fraction>\.\d+)?(?![\d.]*[.\w])",
        r"([A-Za-z][A-Za-z_/@]*?\d{0,3})[=_-](\d+\.\d+)",
        r"(?:^|[$>]\s)((?:[A-Z_]+=\S+ )*python .*--.*)$",
        r"\s+$",
        r"\d*>",
    ],
)
def test_a_pattern_that_is_super_linear_is_noticed(text: str) -> None:
    assert super_linear("known", re.compile(text)) is not None
