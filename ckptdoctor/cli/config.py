"""``ckptdoctor config``: every setting, its value, and where that comes from."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import PathsArgument

if TYPE_CHECKING:
    from ckptdoctor.settings.settings import Settings

__all__ = ["config"]


class _Format(Enum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"


_OTHER_VARIABLES = ("CKPTDOCTOR_DIR", "CKPTDOCTOR_CACHE_DIR", "CKPTDOCTOR_BACKEND")
_DEFAULTS = {"fail-on": "error", "format": "table", "select": "all codes"}


def config(
    paths: PathsArgument = None,  # noqa: ARG001  (they decide which file is believed)
    *,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write it.")
    ] = _Format.TABLE,
) -> int:
    """Show the settings that count, and where each comes from.

    The command line wins over the environment (CKPTDOCTOR_*), and that over the file: the nearest
    ckptdoctor.toml, or pyproject.toml with [tool.ckptdoctor], from the current folder upwards. A
    file that lies in what is examined (PATHS) is not used unless --config names it.
    """
    from ckptdoctor.cli.configured import settings_now
    from ckptdoctor.cli.output import write_result

    settings = settings_now()
    write_result(_json(settings) if fmt is _Format.JSON else _text(settings), None)
    return Exit.OK


def _rows(settings: Settings) -> list[tuple[str, Any, str, str]]:
    """Name, value, kind of place, place."""
    from ckptdoctor.settings.keys import KEYS

    rows: list[tuple[str, Any, str, str]] = []
    for key in KEYS:
        setting = settings.values.get(key.name)
        if setting is None:
            rows.append((key.name, _DEFAULTS.get(key.name), "default", ""))
            continue
        value: Any = setting.value
        if key.name in ("severity", "per-path-ignores"):
            value = {name: list(one) if isinstance(one, tuple) else one for name, one in value}
        elif isinstance(value, tuple):
            value = list(value)
        rows.append((key.name, value, setting.origin.value, setting.where))
    return rows


def _text(settings: Settings) -> str:
    from ckptdoctor.cli.configured import passed_over_words, shown_path
    from ckptdoctor.render.text import printable

    file = "none" if settings.file is None else printable(shown_path(settings.file))
    lines = [f"file      {file}"]
    lines += [f"not used  {printable(words)}" for words in passed_over_words(settings)]
    lines += [
        f"variable  {name}={printable(os.environ[name])}"
        for name in _OTHER_VARIABLES
        if os.environ.get(name)
    ]
    rows = [
        (name, _spelled(value), where or origin) for name, value, origin, where in _rows(settings)
    ]
    names, values = max(len(row[0]) for row in rows), min(40, max(len(row[1]) for row in rows))
    lines.append("")
    lines += [
        f"{name:<{names}}  {printable(value):<{values}}  {printable(place)}".rstrip()
        for name, value, place in rows
    ]
    return "\n".join(lines) + "\n"


def _spelled(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_spelled(one)}" for name, one in value.items()) or "none"
    return str(value)


def _json(settings: Settings) -> str:
    from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump

    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "file": None if settings.file is None else str(settings.file),
            "not_used": [
                {"path": str(path), "reason": reason} for path, reason in settings.passed_over
            ],
            "settings": {
                name: {"value": value, "origin": origin, "where": where or None}
                for name, value, origin, where in _rows(settings)
            },
        }
    )
