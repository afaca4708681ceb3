"""Whether tests notice a mutant: pytest in a process forked of one that has imported torch.

The working tree stays as it is: one copy of it lies in a temporary folder, in which a module at a
time is written anew, and put right again.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.benchmarks.mutants_made import Mutant
from tests.benchmarks.mutants_ran import Chosen, FileRan, Recorder

__all__ = ["Bench", "tests_of"]

_COPIED = ("ckptdoctor", "tests", "docs", ".ci", "README.md", "LICENSE", "pyproject.toml")
_LEAST_CPU_S, _TIMES, _PATIENCE_S, _RECORDING_S = 10.0, 5.0, 200.0, 1200.0
_PASSED, _WRONG_USE, _NO_TESTS, _OUR_FAULT = 0, 4, 5, 70
_NEAREST, _NEAR = 2, 8
_ARGUMENTS = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header")
_OFTEN = ("pandas", "rich", "safetensors", "typer", "yaml")


def tests_of(root: Path, path: str) -> list[list[str]]:
    """The test files of the mirrored folder by stages: the nearest, some more, and the rest.

    The nearest is the module's own file, or that of its folder where that is not mirrored; then
    come those that import it, and those that name it most. Some of a small room lie in the folder
    above.
    """
    module = Path(path)
    folder, names = root / "tests" / module.parent.relative_to("ckptdoctor"), [module.stem]
    while not folder.is_dir():
        names.append(folder.name)
        folder = folder.parent
    own = {f"test_{name}.py" for name in names}
    weights = {
        test: (test.name in own, _imports(test, names), folder in test.parents, _count(test, names))
        for test in sorted({*folder.rglob("test_*.py"), *_above(folder, root, names)})
    }
    order = sorted(weights, key=lambda test: weights[test], reverse=True)
    files = [str(test.relative_to(root)) for test in order]
    stages = (files[:_NEAREST], files[_NEAREST:_NEAR], files[_NEAR:])
    return [stage for stage in stages if stage]


def _above(folder: Path, root: Path, names: Sequence[str]) -> list[Path]:
    """The test files of the folder above that name a module."""
    if folder.parent == root / "tests":
        return []
    return [one for one in folder.parent.glob("test_*.py") if _count(one, names)]


def _imports(test: Path, names: Sequence[str]) -> int:
    lines = test.read_text(encoding="utf-8").splitlines()
    words = [
        set(re.findall(r"\w+", line)) for line in lines if line.startswith(("from ", "import "))
    ]
    return sum(not one.isdisjoint(names) for one in words)


def _count(test: Path, names: Sequence[str]) -> int:
    text = test.read_text(encoding="utf-8")
    return sum(text.count(name) for name in names)


class Bench:
    """A copy of the tree, and what its tests say of mutants in it."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Args: root of the repository; an empty folder that the caller removes."""
        self._copy = folder / "tree"
        self._said = folder / "said.txt"
        self._copy.mkdir()
        for name in _COPIED:
            kept = root / name
            if kept.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
                shutil.copytree(kept, self._copy / name, ignore=ignored)
            elif kept.is_file():
                shutil.copy2(kept, self._copy / name)
        self._mtime = int(time.time()) - 100_000_000
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPATH"] = str(self._copy)
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.dont_write_bytecode = False
        import numpy  # noqa: F401, ICN001  (each child has them for nothing)
        import torch  # noqa: F401

    def record(self, files: Sequence[str], modules: Sequence[str]) -> dict[str, FileRan]:
        """What the tests of some files run of some modules; by file, also where there is no test.

        Raises:
            SystemExit: they could not be run.
        """
        if not files:
            return {}
        told = self._said.with_name("ran.json")
        told.unlink(missing_ok=True)
        self._run(lambda: self._recording(files, modules, told), _RECORDING_S)
        if not told.is_file():
            raise SystemExit(f"the tests could not be run: {self._said.read_text()[-2000:]}")
        kept = json.loads(told.read_text(encoding="utf-8"))
        self._import(kept["imported"])
        return {path: FileRan(**kept["files"].get(path, {})) for path in files}

    def judge(self, mutant: Mutant, chosen: Chosen) -> str:
        """Which test noticed it, or how it ended; "" where none did.

        Raises:
            SystemExit: the tests could not be run.
        """
        if not chosen.tests:
            return ""
        self._write(mutant.path, mutant.source)
        try:
            limit = _LEAST_CPU_S + _TIMES * chosen.seconds
            code = self._run(lambda: _pytest(chosen.files, _Only(chosen.tests)), limit)
        finally:
            self._restore(mutant.path)
        if code in (_WRONG_USE, _OUR_FAULT):
            raise SystemExit(f"the tests could not be run: {self._said.read_text()[-500:]}")
        if code in (_PASSED, _NO_TESTS):
            return ""
        return self._failed() if code > 0 else f"ended by signal {-code}"

    def _recording(self, files: Sequence[str], modules: Sequence[str], told: Path) -> int:
        recorder = Recorder(self._copy, modules)
        recorder.start()
        code = _pytest(files, recorder, "--maxfail=0")
        found = {path: asdict(ran) for path, ran in recorder.files().items()}
        imported = {name.partition(".")[0] for name in sys.modules} - {"tests", "ckptdoctor"}
        told.write_text(json.dumps({"imported": sorted(imported), "files": found}))
        return code

    @staticmethod
    def _import(names: Iterable[str]) -> None:
        """What tests import of others: each child has it for nothing."""
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            for name in names:
                if name not in sys.modules and name in _OFTEN:
                    importlib.import_module(name)

    def _write(self, path: str, source: str) -> None:
        """With a time of its own, so that no bytecode of another mutant is taken for it."""
        target = self._copy / path
        if not target.with_suffix(".whole").exists():
            target.rename(target.with_suffix(".whole"))
        target.write_text(source, encoding="utf-8")
        self._mtime += 1
        os.utime(target, (self._mtime, self._mtime))

    def _restore(self, path: str) -> None:
        target = self._copy / path
        target.with_suffix(".whole").replace(target)

    def _failed(self) -> str:
        lines = self._said.read_text(encoding="utf-8", errors="replace").splitlines()
        first = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
        return next(first, "ERROR").partition(" - ")[0]

    def _run(self, work: Callable[[], int], cpu_s: float) -> int:
        """The exit code of pytest; negative for a signal."""
        child = os.fork()
        if not child:
            self._become(work, cpu_s)
        until = time.monotonic() + max(_PATIENCE_S, 3 * cpu_s)
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return -signal.SIGKILL
            time.sleep(0.02)

    def _become(self, work: Callable[[], int], cpu_s: float) -> None:
        code = _OUR_FAULT
        try:
            os.setsid()
            out = os.open(self._said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            for fd in (1, 2):
                os.dup2(out, fd)
            limit = int(cpu_s) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            os.chdir(self._copy)
            sys.path[0] = str(self._copy)
            for name in [*sys.modules]:
                if name.partition(".")[0] in ("tests", "ckptdoctor"):
                    del sys.modules[name]
            said = work()
            package = sys.modules.get("ckptdoctor")
            if package is None or str(package.__file__).startswith(str(self._copy)):
                code = said
        except BaseException:  # noqa: BLE001  (a child that returned would go on as its parent)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class _Only:
    """A plugin of pytest that runs some tests alone, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: at for at, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (one for one in items if one.nodeid in self._places),
            key=lambda one: self._places[one.nodeid],
        )


def _pytest(files: Sequence[str], plugin: object, *more: str) -> int:
    return int(pytest.main([*_ARGUMENTS, *more, *files], plugins=[plugin]))
