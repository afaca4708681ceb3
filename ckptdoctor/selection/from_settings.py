"""From what a user set to a policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from ckptdoctor.finding import Severity
from ckptdoctor.selection.codes import checked
from ckptdoctor.selection.policy import Listed, OfPath, Policy
from ckptdoctor.settings.settings import Origin, Setting, Settings

__all__ = ["policy_of"]


def policy_of(settings: Settings) -> Policy:
    """What is to be done with findings, without a baseline.

    A selection of a stronger place leaves what weaker places ignore aside: who selects a code on
    the command line wants to see it.

    Raises:
        UsageError: a code is none.
    """
    values = settings.values
    select, ignore = values.get("select"), values.get("ignore")
    if select is not None and ignore is not None and _is_weaker(ignore, select):
        ignore = None
    paths = values.get("per-path-ignores")
    if select is not None and paths is not None and _is_weaker(paths, select):
        paths = None
    levels = values.get("severity")
    return Policy(
        select=None if select is None else _listed(select),
        ignore=None if ignore is None else _listed(ignore),
        severity=() if levels is None else tuple(_levels(levels)),
        of_paths=() if paths is None else tuple(_of_paths(paths)),
    )


def _is_weaker(one: Setting, other: Setting) -> bool:
    order = [Origin.COMMAND_LINE, Origin.ENVIRONMENT, Origin.NAMED_FILE, Origin.FOUND_FILE]
    return order.index(one.origin) > order.index(other.origin)


def _listed(setting: Setting, codes: tuple[str, ...] | None = None) -> Listed:
    words = cast("tuple[str, ...]", setting.value) if codes is None else codes
    return Listed(
        codes=checked(words, setting.where),
        where=setting.where,
        is_found=setting.origin is Origin.FOUND_FILE,
    )


def _pairs(setting: Setting) -> tuple[tuple[str, object], ...]:
    return cast("tuple[tuple[str, object], ...]", setting.value)


def _levels(setting: Setting) -> Iterator[tuple[Listed, Severity]]:
    for code, level in _pairs(setting):
        yield _listed(setting, (code,)), Severity[str(level).upper()]


def _of_paths(setting: Setting) -> Iterator[OfPath]:
    for pattern, codes in _pairs(setting):
        listed = _listed(setting, cast("tuple[str, ...]", codes))
        yield OfPath(pattern=pattern, folder=Path(setting.folder).absolute(), listed=listed)
