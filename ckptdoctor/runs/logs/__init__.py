"""Training logs: the values of each epoch, from whatever a training script leaves behind.

Which reader a file gets is decided by its content, see :mod:`ckptdoctor.runs.logs.reading`. What
cannot be read is counted and passed over.
"""

from __future__ import annotations

from ckptdoctor.runs.logs.find import is_log, logs_in
from ckptdoctor.runs.logs.lines import LineReader
from ckptdoctor.runs.logs.log_reading import (
    ByClock,
    Epochs,
    LogReading,
    Row,
    epoch_of,
    merged,
)
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
