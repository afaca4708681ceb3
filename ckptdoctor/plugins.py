"""Rules and layouts from other packages: which are installed, and what became of them.

A package offers them as entry points of the groups ``ckptdoctor.rules`` and ``ckptdoctor.layouts``.
Only what an installer put into a ``site-packages`` counts, never what lies in the current folder.
To know that there is none takes a look at the ``entry_points.txt`` of each installed package, 0.7
ms for 150 of them; ``importlib.metadata``, which costs many times that, is imported where there
is one. ``CKPTDOCTOR_NO_PLUGINS=1`` leaves them all out.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Iterator

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["LAYOUTS", "RULES", "Plugin", "failed", "offered", "plugins_of"]

RULES, LAYOUTS = "ckptdoctor.rules", "ckptdoctor.layouts"
_SITES = ("site-packages", "dist-packages")
_MAX_NBYTES = 1 << 20


@dataclass(slots=True, kw_only=True, eq=False)
class Plugin:
    """What an entry point gave.

    Attributes:
        name: of the entry point.
        group: that it stands in.
        package: that offers it, with its version.
        where: its ``entry_points.txt``.
        value: what it named; None where it could not be had, or failed since.
        error: why; "" where nothing is wrong.
    """

    name: str
    group: str
    package: str
    where: str
    value: object = None
    error: str = ""

    def fail(self, error: str) -> None:
        """Leave it out from now on.

        Args:
            error: why, for whoever wrote it.
        """
        self.value, self.error = None, error

    def __str__(self) -> str:
        kind = "rule" if self.group == RULES else "layout"
        return f"{self.name} (a {kind} of the package {self.package})"


@functools.cache
def offered() -> tuple[tuple[str, int, int], ...]:
    """The ``entry_points.txt`` of packages that offer something, with size and time in ns."""
    if os.environ.get("CKPTDOCTOR_NO_PLUGINS"):
        return ()
    return tuple(sorted(found for site in _sites() for found in _offered_in(site)))


def _sites() -> Iterator[str]:
    for folder in dict.fromkeys(sys.path):
        if os.path.basename(folder) in _SITES:  # noqa: PTH119  (pathlib costs more than the look)
            yield folder


def _offered_in(site: str) -> Iterator[tuple[str, int, int]]:
    try:
        listed = os.scandir(site)
    except OSError:
        return
    with listed:
        for entry in listed:
            if entry.name.endswith((".dist-info", ".egg-info")):
                path = f"{entry.path}/entry_points.txt"
                try:
                    descriptor = os.open(path, os.O_RDONLY)
                except OSError:
                    continue
                try:
                    if b"[ckptdoctor." in os.read(descriptor, _MAX_NBYTES):
                        status = os.fstat(descriptor)
                        yield path, status.st_size, status.st_mtime_ns
                finally:
                    os.close(descriptor)


@functools.cache
def plugins_of(group: str) -> tuple[Plugin, ...]:
    """Every entry point of a group, imported; one that fails says why.

    Args:
        group: :data:`RULES` or :data:`LAYOUTS`.
    """
    return tuple(plugin for path, _, _ in offered() for plugin in _loaded(path, group))


def _loaded(path: str, group: str) -> Iterator[Plugin]:
    from importlib.metadata import Distribution
    from pathlib import Path

    package = Distribution.at(Path(path).parent)
    named = f"{package.metadata['Name']} {package.version}"
    for entry in package.entry_points:
        if entry.group != group:
            continue
        plugin = Plugin(name=entry.name, group=group, package=named, where=path)
        try:
            plugin.value = entry.load()
        except (Exception, SystemExit):  # noqa: BLE001  (whatever another package does)
            plugin.fail(traceback.format_exc())
        yield plugin


def failed() -> Iterator[Plugin]:
    """Those that could not be had, or that failed since."""
    for group in (RULES, LAYOUTS):
        yield from (plugin for plugin in plugins_of(group) if plugin.error)
