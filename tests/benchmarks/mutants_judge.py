"""Whether tests notice a mutant: pytest in a process forked of one that has imported torch.

The working tree stays as it is: one copy of it lies in a temporary folder, in which a module at a
time is written anew, and put right again.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.mutants_made import Mutant

__all__ = ["Bench", "tests_of"]

_COPIED = ("ckptdoctor", "tests", "docs", ".ci", "README.md", "LICENSE", "pyproject.toml")
_LEAST_CPU_S, _TIMES, _PATIENCE_S = 20.0, 10.0, 400.0
_PASSED, _WRONG_USE, _NO_TESTS, _OUR_FAULT = 0, 4, 5, 70
_ARGUMENTS = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header")


def tests_of(root: Path, path: str) -> list[list[str]]:
    """The test files for a module by stages: its own, then the rest of the mirrored folder.

    Within the folder, those that name the module most come first.
    """
    module = Path(path)
    folder = root / "tests" / module.parent.relative_to("ckptdoctor")
    while not folder.is_dir():
        folder = folder.parent
    own = folder / f"test_{module.stem}.py"
    weights = {
        test: test.read_text(encoding="utf-8").count(module.stem)
        for test in sorted(folder.rglob("test_*.py"))
        if test != own
    }
    rest = sorted(weights, key=lambda test: (-weights[test], test))
    stages = [[own] if own.is_file() else [], rest]
    return [[str(test.relative_to(root)) for test in stage] for stage in stages if stage]


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
        self._costs: dict[tuple[str, ...], float] = {}
        self._mtime = int(time.time()) - 100_000_000
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPATH"] = str(self._copy)
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.dont_write_bytecode = False
        import numpy  # noqa: F401, ICN001  (each child has them for nothing)
        import torch  # noqa: F401

    def judge(self, mutant: Mutant, stages: Sequence[Sequence[str]]) -> str:
        """Which stage noticed it, and how; "" where none did.

        Raises:
            SystemExit: its tests fail without any mutant.
        """
        for stage in stages:
            limit = max(_LEAST_CPU_S, _TIMES * self._cost(tuple(stage)))
            self._write(mutant.path, mutant.source)
            try:
                code = self._run(stage, limit)
            finally:
                self._restore(mutant.path)
            if code in (_WRONG_USE, _OUR_FAULT):
                raise SystemExit(f"the tests could not be run: {self._said.read_text()[-500:]}")
            if code not in (_PASSED, _NO_TESTS):
                return self._failed() if code > 0 else f"ended by signal {-code}"
        return ""

    def _cost(self, stage: tuple[str, ...]) -> float:
        """Seconds of processor time of tests that must pass without a mutant."""
        if stage not in self._costs:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            code = self._run(stage, 600.0)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if code not in (_PASSED, _NO_TESTS):
                print(self._said.read_text(encoding="utf-8")[-2000:], file=sys.stderr)
                raise SystemExit(f"these fail without any mutant: {' '.join(stage)}")
            self._costs[stage] = after.ru_utime - before.ru_utime
        return self._costs[stage]

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

    def _run(self, tests: Sequence[str], cpu_s: float) -> int:
        """The exit code of pytest; negative for a signal."""
        child = os.fork()
        if not child:
            self._become(tests, cpu_s)
        until = time.monotonic() + _PATIENCE_S
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return -signal.SIGKILL
            time.sleep(0.02)

    def _become(self, tests: Sequence[str], cpu_s: float) -> None:
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
            import pytest

            said = int(pytest.main([*_ARGUMENTS, *tests]))
            package = sys.modules.get("ckptdoctor")
            if package is None or str(package.__file__).startswith(str(self._copy)):
                code = said
        except BaseException:  # noqa: BLE001  (a child that returned would go on as its parent)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
