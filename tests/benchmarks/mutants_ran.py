"""Which tests run which line: recorded once a test file, so that a mutant is judged by few.

It is recorded by coverage, with a context for each test. What a fixture of a module or of the
session ran counts for every test of its file, as any of them may look at what it made.
"""

from __future__ import annotations

import ast
import hashlib
import json
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest

__all__ = [
    "Chosen",
    "FileRan",
    "Recorder",
    "Records",
    "chosen_tests",
    "is_run_by_import",
    "lines_around",
]

_SHARED = ":"  # behind the name of a file: what its broad fixtures ran


@dataclass(slots=True)
class FileRan:
    """What a test file ran.

    Attributes:
        seconds: of processor time, by the test's id, in the order in which they ran.
        ran: by module, by line, the tests that ran it: their places in ``seconds``.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    ran: dict[str, dict[str, list[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Tests of some files: those that are run, and what that takes in seconds."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    seconds: float


class Recorder:
    """A plugin of pytest that records lines of some modules by test."""

    def __init__(self, root: Path, modules: Iterable[str]) -> None:
        """Args: root of the tree that is run; paths of modules from there."""
        self._root = root
        self._coverage = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[str(root / one) for one in modules],
        )
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._now = ""

    def start(self) -> None:
        """Before any of the package is imported."""
        self._coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """The test's own context, and its time."""
        before, self._now = _cpu_s(), item.nodeid
        self._coverage.switch_context(item.nodeid)
        yield
        self._coverage.switch_context("")
        self._seconds[item.nodeid] = _cpu_s() - before

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One that fails without a mutant says nothing of one."""
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What is made for more than one test belongs to all of the file."""
        broad = fixturedef.scope != "function" and self._now
        if broad:
            self._coverage.switch_context(_file_of(self._now) + _SHARED)
        yield
        if broad:
            self._coverage.switch_context(self._now)

    def files(self) -> dict[str, FileRan]:
        """What was recorded, by test file; ends the recording."""
        self._coverage.stop()
        data = self._coverage.get_data()
        found: dict[str, FileRan] = defaultdict(FileRan)
        for test, seconds in self._seconds.items():
            if test in self._failed:
                print(f"fails without any mutant: {test}", file=sys.stderr)
                continue
            found[_file_of(test)].seconds[test] = seconds
        places = {test: at for ran in found.values() for at, test in enumerate(ran.seconds)}
        for path in sorted(data.measured_files()):
            module = str(Path(path).relative_to(self._root))
            for line, contexts in data.contexts_by_lineno(path).items():
                for test in contexts:
                    if test in places:
                        ran, tests = found[_file_of(test)], [places[test]]
                    elif test.endswith(_SHARED) and test[:-1] in found:
                        ran = found[test[:-1]]
                        tests = list(range(len(ran.seconds)))
                    else:
                        continue
                    lines = ran.ran.setdefault(module, {}).setdefault(str(line), [])
                    lines[:] = sorted({*lines, *tests})
        return dict(found)


class Records:
    """What was recorded so far, in a file; none of another state of modules or tests."""

    def __init__(self, root: Path, path: Path) -> None:
        """Args: root of the repository; the JSON file, which may be missing."""
        self._root = root
        self._path = path
        self._all: dict[str, Any] = (
            json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        )

    def of(self, test_file: str, modules: Sequence[str]) -> FileRan | None:
        """Of a test file; None where it must be recorded first."""
        kept = self._all.get(test_file)
        if kept is None or kept["state"] != self._state(test_file, modules):
            return None
        return FileRan(**kept["found"])

    def keep(self, modules: Sequence[str], files: Mapping[str, FileRan]) -> None:
        """Of test files, some of which may have no test."""
        for path, ran in files.items():
            self._all[path] = {"state": self._state(path, modules), "found": asdict(ran)}
        self._path.write_text(json.dumps(self._all), encoding="utf-8")

    def _state(self, test_file: str, modules: Sequence[str]) -> str:
        state = hashlib.sha256()
        for one in (test_file, *modules):
            state.update((self._root / one).read_bytes())
        return state.hexdigest()[:16]


def chosen_tests(
    module: str,
    lines: Iterable[int],
    records: Mapping[str, FileRan],
    most_s: float,
    *,
    unseen: bool = False,
) -> Chosen:
    """The tests that ran one of these lines, the quick ones of each file first.

    Args:
        module: its path.
        lines: of it.
        records: by test file, the nearest first.
        most_s: how long they may take in all; what is slow is left out first.
        unseen: whether those that start processes are chosen too, of which nothing was seen; they
            are where there are no others.
    """
    tests = list(_that_ran(module, lines, records))
    if unseen or not tests:
        tests += _unseen(records)
    kept: dict[str, list[str]] = {}
    total = 0.0
    for seconds, name, path in sorted(tests):
        if total and total + seconds > most_s:
            break
        total += seconds
        kept.setdefault(path, []).append(name)
    files = tuple(path for path in records if path in kept)
    return Chosen(files, tuple(name for path in files for name in kept[path]), total)


def _that_ran(
    module: str, lines: Iterable[int], records: Mapping[str, FileRan]
) -> Iterator[tuple[float, str, str]]:
    for path, found in records.items():
        every = list(found.seconds.items())
        ran = found.ran.get(module, {})
        for at in {at for line in lines for at in ran.get(str(line), ())}:
            yield every[at][1], every[at][0], path


def _unseen(records: Mapping[str, FileRan]) -> Iterator[tuple[float, str, str]]:
    for path, found in records.items():
        seen = {at for lines in found.ran.values() for tests in lines.values() for at in tests}
        for at, (test, seconds) in enumerate(found.seconds.items()):
            if at not in seen:
                yield seconds, test, path


def lines_around(source: str, line: int) -> list[int]:
    """Lines of which one is run where this one counts.

    Those of its statement; of the whole function for a default; of all functions of the module for
    what stands at the module's own level or in a class, and is run as it is imported.
    """
    tree = ast.parse(source)
    function, statement = _innermost(tree, line)
    if function is None:
        return sorted({at for one in _functions(tree) for at in _inside(one)})
    if statement is None:
        return _inside(function)
    return list(range(statement.lineno, _end_of_head(statement) + 1))


def is_run_by_import(source: str, line: int) -> bool:
    """Whether it stands in no function: a test that only looks at a table runs no line of it."""
    return _innermost(ast.parse(source), line)[0] is None


def _innermost(tree: ast.AST, line: int) -> tuple[Any, ast.stmt | None]:
    """The function that holds a line, None for none; and within it the statement."""
    function, statement = None, None
    for node in ast.walk(tree):  # outer ones come first
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (node.end_lineno or 0):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, statement = node, None
        elif function is not None and not isinstance(node, ast.ClassDef):
            statement = node
    return function, statement


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[int]:
    return list(range(function.body[0].lineno, (function.end_lineno or 0) + 1))


def _end_of_head(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return statement.end_lineno or statement.lineno
    first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    return max(statement.lineno, int(first.lineno) - 1)


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _cpu_s() -> float:
    """Of this process and of those that it started and that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)
