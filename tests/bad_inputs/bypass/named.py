"""Bypasses that are one call of one name, in a sound torch archive."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.one import Bypass, Loader
from tests.bad_inputs.bypass.payloads import Arguments
from tests.bad_inputs.opcodes import call, named

__all__ = ["Row", "bypasses_of"]

Row = tuple[str, str, str, Arguments]
"""Where it was published, module, name, and what it is called with."""


def bypasses_of(rows: Iterable[Row], loader: Loader) -> list[Bypass]:
    """A file for each; one whose package is not installed is judged only."""
    return [
        Bypass(
            name=f"{module}: {name}",
            published=published,
            make=functools.partial(_made, module=module, name=name, arguments=arguments),
            loader=loader.if_installed(module),
        )
        for published, module, name, arguments in rows
    ]


def _made(canary: Path, *, module: str, name: str, arguments: Arguments) -> bytes:
    return beside_weights(canary, call(named(module, name), *arguments(canary)))
