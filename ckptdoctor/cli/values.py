"""The plain values of options taken as they are: having them checked costs a fifth of the start.

Newer releases of typer build a validator of pydantic's for each option of a command, and import
pydantic for it. What is said here of a text, a path, a number or a choice is what they say; what is
not plain, and all that is wrong, is left to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from ckptdoctor.sources import path_of

__all__ = ["take_plain_values"]

_UNKNOWN = object()


def take_plain_values(command: Any) -> None:
    """Have a command, and those below it, take plain values as they are.

    Args:
        command: of typer's; nothing happens to one of a release that works in another way.
    """
    for below in getattr(command, "commands", {}).values():
        take_plain_values(below)
    listed = command.get_params
    if getattr(listed, "is_ours", False):  # the same command, worked through once more
        return

    def get_params(ctx: Any) -> list[Any]:  # that of --help is made when it is asked for
        parameters: list[Any] = listed(ctx)
        for parameter in parameters:
            _take_plain_values_of(parameter)
        return parameters

    get_params.is_ours = True  # type: ignore[attr-defined]
    command.get_params = get_params


def _take_plain_values_of(parameter: Any) -> None:
    checking = getattr(parameter, "get_runtime_param", None)
    described = getattr(parameter, "type_descriptor", None)
    if checking is None or not hasattr(described, "annotation"):
        return
    if not isinstance(getattr(checking, "__self__", None), _Plain):
        parameter.get_runtime_param = _Plain(described, checking).itself


class _Plain:
    """The values of one parameter.

    Args:
        described: the parameter's type, and what it may be.
        checking: what gives typer's own way.
    """

    def __init__(self, described: Any, checking: Callable[[], Any]) -> None:
        self._annotation = described.annotation
        self._info = described.parameter_info
        self._checking = checking

    def itself(self) -> _Plain:
        """What coerces values, for whoever asks the parameter for it."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value that a command gets for what stands on its command line.

        Raises:
            Exception: one of typer's, for a usage error.
        """
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        taken = _UNKNOWN
        if getattr(self._info, "parser", None) is None:
            taken = self._taken(value, self._annotation)
        return self._checking().coerce(value, param, ctx) if taken is _UNKNOWN else taken

    def _taken(self, value: Any, annotation: Any) -> Any:
        if get_origin(annotation) is list and isinstance(value, list | tuple):
            every = [self._taken(one, *get_args(annotation)) for one in value]
            return _UNKNOWN if _UNKNOWN in every else every
        if not isinstance(annotation, type):
            return _UNKNOWN
        if type(value) is annotation or (isinstance(value, Enum) and isinstance(value, annotation)):
            return self._within(value)
        if type(value) is not str:
            return _UNKNOWN
        if annotation is int and value.isascii() and value.isdecimal():
            return self._within(int(value))
        if annotation is Path and value:
            path = path_of(value)
            if self._is_any_path(path):
                return path
        if issubclass(annotation, Enum):
            return next((one for one in annotation if one.value == value), _UNKNOWN)
        return _UNKNOWN

    def _within(self, value: Any) -> Any:
        least, most = self._info.min, self._info.max
        if not isinstance(value, int | float) or (least is None and most is None):
            return value
        is_less = least is not None and not value >= least
        is_more = most is not None and not value <= most
        return _UNKNOWN if is_less or is_more else value

    def _is_any_path(self, path: Path) -> bool:
        """Whether a path is what may stand there, wherever it leads."""
        info = self._info
        asks = info.exists or info.writable or info.resolve_path or info.allow_dash
        kinds = info.file_okay and info.dir_okay and info.path_type is None
        readable = not info.readable or os.access(path, os.R_OK) or not os.path.exists(path)  # noqa: PTH110
        return bool(kinds and readable and not asks)
