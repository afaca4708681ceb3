"""Walks the attributes of all modules, and holds against our tables what each name reaches.

``python -m tests.benchmarks.names_walk JSON``: in a process of its own, since importing whatever is
installed may do anything; prints a JSON object. A path is a module and up to four attributes, as a
pickle of protocol 4 names them. What is wrong with one that we hold as plain, whatever picklers do
with it:

- it goes through a module or a function, to anything but a value;
- it ends at a module;
- it ends at something that we hold as code under the name by which it calls itself;
- it ends at an object that is called, of a class that we hold as code;
- it ends at one of the functions that are code beyond doubt.

Of a package that comes with torch or with us the first and the last are wrong where we hold nothing
of the name, too. What we hold as a strange class may be anything: calling it counts as code.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ckptdoctor.formats.pickle.names import Use, judge
from tests.benchmarks.names_code import hard_primitives, own_name
from tests.benchmarks.names_modules import contained, dependencies, imported, roots

__all__ = ["PLAIN", "Walk", "walked"]

PLAIN = (Use.CALLED, Use.BUILT, Use.NAMED)
_DEPTH = 4
_EXPANDED = 400  # paths on from each plain name, at most, besides its own attributes
_FUNCTIONS = (
    types.FunctionType | types.BuiltinFunctionType | types.MethodType | types.MethodDescriptorType
    | types.WrapperDescriptorType | types.MethodWrapperType | types.ClassMethodDescriptorType
)  # fmt: skip
_MUTABLE = (dict, list, set, types.ModuleType)
_OPAQUE = (str, bytes, int, float, complex, bool, type(None), tuple, list, set, frozenset)


@dataclass(slots=True, kw_only=True)
class Walk:
    """What was walked, and what was found.

    Attributes:
        modules: from which it started.
        paths: that were judged.
        plain: of these, held as plain.
        wrong: module, name, and what it reaches, of each that must not be so held.
        seconds: it took.
    """

    modules: int = 0
    paths: int = 0
    plain: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: float = 0.0


def walked(
    tops: Sequence[str] = (), *, paths_each: int = 2000, seed: int = 0, timeout_s: float = 3600.0
) -> Walk:
    """The walk, in a process of its own and a folder that is thrown away.

    Args:
        tops: top-level modules; all that are installed where there are none.
        paths_each: that are judged from one module, at most; which of the deeper ones is chance.
        seed: of that chance.
        timeout_s: for all of it.
    """
    wish = json.dumps({"tops": list(tops), "paths_each": paths_each, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HOME": folder, "TMPDIR": folder, "PYTHONBREAKPOINT": "0"}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        answer = Path(folder, "answer.json")
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.names_walk", wish, str(answer)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
        assert answer.is_file(), done.stderr[-3000:].decode(errors="replace")
        found = json.loads(answer.read_bytes())
    return Walk(**{**found, "wrong": [tuple(one) for one in found["wrong"]]})


# -- in the process of its own -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A path, what it reaches, and whether it went through a module or a function."""

    name: str
    reached: Any
    through: str

    def next(self, part: str, reached: Any) -> _Step:
        through = self.through
        if self.name and not through:
            through = _kind(self.reached)
        return _Step(
            name=f"{self.name}.{part}" if self.name else part, reached=reached, through=through
        )


def _kind(reached: Any) -> str:
    if isinstance(reached, types.ModuleType):
        return "a module"
    return "a function" if isinstance(reached, _FUNCTIONS) else ""


def _attributes(reached: Any) -> Iterator[tuple[str, Any]]:
    """What ``getattr`` would find, as far as it finds it without running anything."""
    if isinstance(reached, types.ModuleType):
        yield from list(vars(reached).items())
        return
    if isinstance(reached, _OPAQUE):
        return
    looked_at = reached if isinstance(reached, type | types.FunctionType) else type(reached)
    own = {} if looked_at is reached else getattr(reached, "__dict__", {})
    names = {**dict.fromkeys(dir(looked_at)), **(own if isinstance(own, dict) else {})}
    for name in names:
        if isinstance(name, str) and name.isidentifier():
            try:
                yield name, getattr(reached, name)
            except Exception:  # noqa: BLE001  (properties may raise anything)
                continue


def _steps(start: _Step, limit: int, chance: random.Random) -> Iterator[_Step]:
    """Paths from one place, each object once: all of the next, some of the deeper ones."""
    seen = {id(start.reached)}
    level = [start]
    kept: list[Any] = []  # so that no identity is given out twice
    for depth in range(_DEPTH):
        below: list[_Step] = []
        for step in level:
            for part, reached in _attributes(step.reached):
                found = step.next(part, reached)
                yield found
                limit -= 1
                if id(reached) not in seen and not isinstance(reached, _OPAQUE):
                    seen.add(id(reached))
                    kept.append(reached)
                    below.append(found)
            if limit <= 0 and depth:
                return
        chance.shuffle(below)
        level = below


def _beyond_doubt(step: _Step) -> str:
    """Why a path is code whatever we hold of it; "" where that is not known."""
    primitive = hard_primitives().get(id(step.reached))
    if primitive is not None and primitive[1] is step.reached:
        return primitive[0]
    # A dtype or a memory format is named through whichever module imports torch: it is a value.
    inert = not callable(step.reached) and not isinstance(step.reached, _MUTABLE)
    return "" if inert or not step.through else f"goes through {step.through}"


def _code_of_its_own(reached: Any) -> str:
    """Under which other name we hold something as code; "" where we do not."""
    if isinstance(reached, types.ModuleType):
        return f"the module {reached.__name__}"
    named = own_name(reached)
    if named is not None:
        return f"{named[0]}: {named[1]}, which is code" if judge(*named) is Use.CODE else ""
    if isinstance(reached, type | _FUNCTIONS) or not callable(reached):
        return ""
    kind = own_name(type(reached))
    if kind is not None and judge(*kind) is Use.CODE:
        return f"an object of {kind[0]}: {kind[1]}, which is code"
    return ""


class _Judge:
    """Holds the steps from all modules against our tables."""

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.seed = limit, seed
        self.walk = Walk()
        self.known = dependencies()
        self.expanded: dict[int, Any] = {}

    def module(self, name: str, module: types.ModuleType) -> None:
        """Judge what is reached from one module, and all that is reached from plain names of it."""
        chance = random.Random(f"{self.seed} {name}")
        self.walk.modules += 1
        start = _Step(name="", reached=module, through="")
        plain = [step for step in _steps(start, self.limit, chance) if self._is_plain(name, step)]
        for step in plain:
            if id(step.reached) not in self.expanded and not step.through:
                self.expanded[id(step.reached)] = step.reached
                for further in _steps(step, _EXPANDED, chance):
                    self._is_plain(name, further)

    def _is_plain(self, module: str, step: _Step) -> bool:
        """Whether a path is held as plain, and rightly so."""
        self.walk.paths += 1
        use = judge(module, step.name)
        plain = use in PLAIN
        self.walk.plain += plain
        why = self._why(module, step, use)
        if why:
            self.walk.wrong.append((module, step.name, why))
        return plain and not why

    def _why(self, module: str, step: _Step, use: Use) -> str:
        if use in PLAIN:
            return _beyond_doubt(step) or _code_of_its_own(step.reached)
        if use is Use.UNKNOWN and module.partition(".")[0] in self.known:
            return _beyond_doubt(step)
        return ""


def _main(wish: dict[str, Any], answer: Path) -> None:
    start = time.monotonic()
    with contained():
        modules = imported(wish["tops"] or roots())
        judge = _Judge(wish["paths_each"], wish["seed"])
        for name, module in modules:
            judge.module(name, module)
    walk = judge.walk
    walk.seconds = time.monotonic() - start
    answer.write_text(json.dumps(asdict(walk)))
    os._exit(0)  # whatever the modules wanted to do at the end


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]), Path(sys.argv[2]))
