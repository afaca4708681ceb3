"""Objects of Python itself, one of each kind, that a checkpoint may hold."""

from __future__ import annotations

import configparser
import contextlib
import datetime as dt
import itertools
import json
import logging
import optparse
import queue
import statistics
import subprocess
import urllib.parse
import zoneinfo
from collections.abc import Callable

__all__ = ["PYTHON"]


def _settings() -> object:
    parser = configparser.ConfigParser()
    parser.read_string("[train]\nlr = 0.1\n")
    return parser


PYTHON: dict[str, Callable[[], object]] = {
    "errors": lambda: [
        json.JSONDecodeError("m", "d", 1),
        subprocess.CalledProcessError(1, ["git"]),
        queue.Empty(),
    ],
    "what git said": lambda: subprocess.CompletedProcess(["git"], 0, b"abc", b""),
    "options": lambda: optparse.Values({"lr": 0.1}),
    "settings": _settings,
    "address": lambda: [urllib.parse.urlparse("s3://a/b"), urllib.parse.urlsplit("a")],
    "time zones": lambda: [zoneinfo.ZoneInfo("UTC"), dt.UTC],
    "logger": lambda: logging.LoggerAdapter(logging.getLogger("train"), {"rank": 0}),
    "context": lambda: [contextlib.nullcontext(), contextlib.suppress(ValueError)],
    "normal": lambda: statistics.NormalDist(0, 1),
    "iterators": lambda: [itertools.cycle([1, 2]), itertools.count(1), zip([1], [2], strict=True)],
}
