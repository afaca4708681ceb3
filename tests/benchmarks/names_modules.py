"""Imports what is installed, with what an import may do kept within bounds.

Only ever in a process of its own: see ``names_walk``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import pkgutil
import re
import signal
import socket
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

__all__ = ["contained", "dependencies", "imported", "roots"]

_IMPORT_S = 20
# They open windows, start servers or programs, print, or are made to fail.
_SKIPPED = re.compile(
    r"(^|\.)(__main__|tests?|conftest|_?test_.*|antigravity|this|idlelib|turtle|turtledemo|tkinter"
    r"|lib2to3|ensurepip|venv|_pyrepl|examples|benchmarks)(\.|$)"
)
_DEEP = ("torch", "numpy")  # besides Python's own: of others only what they import themselves


def dependencies() -> frozenset[str]:
    """Top-level packages that come along with torch, numpy and ckptdoctor."""
    wanted, seen = ["torch", "numpy", "ckptdoctor"], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for requirement in importlib.metadata.requires(name) or ():
                if not re.search(r"extra\s*==", requirement):
                    wanted.append(_canonical(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]))
    packages = importlib.metadata.packages_distributions()
    known = {top for top, some in packages.items() if seen & {_canonical(one) for one in some}}
    return frozenset(known - {"ckptdoctor"}) | sys.stdlib_module_names


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def roots() -> list[str]:
    """Top-level modules of Python and of every installed distribution."""
    installed = importlib.metadata.packages_distributions()
    return sorted(
        name
        for name in {*sys.stdlib_module_names, *installed}
        if name.isidentifier() and not _SKIPPED.search(name)
    )


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """No network, and no import that takes for ever; for a process that ends soon."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("no network while modules are imported")

    def stop(*_: Any) -> NoReturn:
        raise TimeoutError("an import took too long")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.socket.bind = refuse  # type: ignore[method-assign]
    signal.signal(signal.SIGALRM, stop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def imported(tops: Sequence[str]) -> list[tuple[str, types.ModuleType]]:
    """The modules that can be imported, and what each is called.

    These, and below Python's own, torch and numpy all of them; of others what was imported.
    """
    for top in tops:
        for name in _below(top):
            _import(name)
    wanted = set(tops)
    there: dict[str, object] = dict(sys.modules)
    return [
        (name, module)
        for name, module in sorted(there.items())
        if isinstance(module, types.ModuleType)
        and name.partition(".")[0] in wanted
        and not _SKIPPED.search(name)
    ]


def _below(top: str) -> Iterable[str]:
    yield top
    module = sys.modules.get(top)
    if module is None:
        return
    if top not in _DEEP and top not in sys.stdlib_module_names:
        return
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), f"{top}.", lambda _: None):
        if not _SKIPPED.search(info.name):
            yield info.name


def _import(name: str) -> None:
    signal.alarm(_IMPORT_S)
    with contextlib.suppress(BaseException):  # SystemExit and a skipped test are among them
        importlib.import_module(name)
    signal.alarm(0)
