"""The user's own pattern for the lines of a log, stopped where it would search without end.

Python's ``re`` cannot be stopped, not even by a signal: ``(a+)+$`` on forty letters takes hours.
The ``regex`` package takes the same patterns, sees through many such, and takes a time limit.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from ckptdoctor.errors import UsageError

__all__ = ["LogPattern", "SlowLineError", "compile_pattern"]

LINE_S = 0.1
"""What a line may take; the usual one takes a few microseconds."""

ALL_S = 1.5
"""What lines may take together that take long."""

_LONG_S = 0.01
_SHOWN_CHARS = 60


class SlowLineError(ValueError):
    """The pattern was stopped at a line, or is not tried any more; the message says which.

    Attributes:
        is_news: whether the user has not been told yet.
    """

    def __init__(self, message: str, *, is_news: bool) -> None:
        super().__init__(message)
        self.is_news = is_news


class LogPattern:
    """A compiled pattern, and how long it has taken so far.

    Args:
        compiled: by ``regex``.
        tell: told once that a line took too long, and once that all of them did.
    """

    def __init__(self, compiled: Any, tell: Callable[[str], None] | None = None) -> None:
        self._compiled = compiled
        self._tell = tell or (lambda _: None)
        self._slow_s = 0.0
        self._stopped = 0

    def groups_of(self, line: str) -> dict[str, str]:
        """What the named groups hold that take part in the first match; nothing without one.

        Raises:
            SlowLineError: the line takes too long, or those before it took too long already.
        """
        if self._slow_s > ALL_S:
            raise SlowLineError(f"{self._name} is given up", is_news=False)
        began_s = time.perf_counter()
        try:
            found = self._compiled.search(line, timeout=LINE_S)
        except TimeoutError as error:
            self._stopped += 1
            raise self._too_slow(time.perf_counter() - began_s, line) from error
        took_s = time.perf_counter() - began_s
        if took_s > _LONG_S:
            self._slow_s += took_s
        groups = found.groupdict() if found is not None else {}
        return {name: text for name, text in groups.items() if text is not None}

    def tell(self, where: str, error: SlowLineError) -> None:
        """Tell the user, where it is news.

        Args:
            where: the log, and the number of the line where it is known.
            error: from :meth:`groups_of`.
        """
        if error.is_news:
            self._tell(f"{where}: {error}")

    @property
    def text(self) -> str:
        """As the user wrote it."""
        return str(self._compiled.pattern)

    @property
    def _name(self) -> str:
        return f"--log-pattern {self.text!r}"

    def _too_slow(self, took_s: float, line: str) -> SlowLineError:
        self._slow_s += took_s
        shown = line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}…"
        if self._slow_s > ALL_S:
            return SlowLineError(
                f"{self._name} was stopped at {self._stopped} lines and is given up; the lines "
                f"from {shown!r} on were not read. Write it so that no line matches in two ways.",
                is_news=True,
            )
        return SlowLineError(
            f"{self._name} was stopped after {LINE_S:g} s at the line {shown!r}, which was not "
            "read. Write it so that no line matches in two ways.",
            is_news=self._stopped == 1,
        )


def compile_pattern(text: str, tell: Callable[[str], None] | None = None) -> LogPattern:
    r"""The user's own pattern for lines of a log.

    Args:
        text: a regular expression with a group ``epoch`` and one for each value, such as
            ``E(?P<epoch>\d+) iou=(?P<iou>\S+)``.
        tell: told of lines at which the pattern had to be stopped.

    Raises:
        UsageError: it is none, or lacks the groups.
    """
    try:
        import regex
    except ImportError as error:
        raise UsageError("--log-pattern needs the package regex: pip install regex") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later version may read otherwise
            compiled = regex.compile(text)
    except (regex.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--log-pattern: {error} in {text!r}") from error
    if "epoch" not in compiled.groupindex or len(compiled.groupindex) < 2:
        raise UsageError(
            "--log-pattern needs a group (?P<epoch>…) and at least one for a value, "
            "such as 'E(?P<epoch>\\d+) iou=(?P<iou>\\S+)'"
        )
    return LogPattern(compiled, tell)
