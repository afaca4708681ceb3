"""Training logs: the values of each epoch, from whatever a training script leaves behind.

Which reader a file gets is decided by its content, see :mod:`ckptdoctor.runs.logs.reading`. What
cannot be read is counted and passed over. The readers are imported when there is a log to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptdoctor.runs.logs.find import is_log, logs_in
from ckptdoctor.runs.logs.log_reading import (
    ByClock,
    Epochs,
    LogReading,
    Row,
    epoch_of,
    merged,
)

if TYPE_CHECKING:
    from ckptdoctor.runs.logs.lines import LineReader
    from ckptdoctor.runs.logs.pattern import LogPattern, SlowLineError, compile_pattern
    from ckptdoctor.runs.logs.reading import read_logs

__all__ = [
    "ByClock",
    "Epochs",
    "LineReader",
    "LogPattern",
    "LogReading",
    "Row",
    "SlowLineError",
    "compile_pattern",
    "epoch_of",
    "is_log",
    "logs_in",
    "merged",
    "read_logs",
]

_HOME_OF = {
    "LineReader": "lines",
    "LogPattern": "pattern",
    "SlowLineError": "pattern",
    "compile_pattern": "pattern",
    "read_logs": "reading",
}

if not TYPE_CHECKING:  # a type checker would take any name for a good one

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value
