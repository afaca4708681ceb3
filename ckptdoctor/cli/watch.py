"""``ckptdoctor watch``: a run while it goes on, one line an event."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import (
    FailOn,
    FailOnOption,
    JobsOption,
    LogOption,
    LogPatternOption,
    MetricOption,
    ModeOption,
    NoColorOption,
    OutputOption,
    QuietOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ckptdoctor.cli.alerts import Alerts
    from ckptdoctor.watch.afar import Afar
    from ckptdoctor.watch.events import Event

__all__ = ["watch"]

_INTERVAL_S = 5.0


class _Format(Enum):
    """How an event is written."""

    TABLE = "table"
    JSONL = "jsonl"


def watch(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="The folder that the run saves its checkpoints in, here or by URL. "
            "Default: $CKPTDOCTOR_DIR, else checkpoints/, else the current folder.",
            show_default=False,
        ),
    ] = None,
    *,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    metric: MetricOption = "",
    mode: ModeOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="One look, then exit as scan does; for cron.")
    ] = False,
    exit_on_alert: Annotated[
        bool,
        typer.Option(
            "--exit-on-alert", help="Stop with 1 at the first new finding of --fail-on or above."
        ),
    ] = False,
    on_alert: Annotated[
        str,
        typer.Option(
            metavar="COMMAND",
            help="Run this for every new finding of --fail-on or above, with the event as JSON "
            "on its standard input.",
            show_default=False,
        ),
    ] = "",
    pid: Annotated[
        int | None,
        typer.Option(
            metavar="PID",
            help="The training process: whether it computes or sleeps is said when it stalls.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            help="From one look to the next. Default: 5, and 30 for what a URL names.",
            show_default=False,
        ),
    ] = None,
    stall_factor: Annotated[
        float,
        typer.Option(
            metavar="FACTOR", min=1.0, help="Silence is a stall from so many usual gaps on."
        ),
    ] = 3.0,
    stall_least: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.0, help="And never before so long.")
    ] = 60.0,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write an event.")
    ] = _Format.TABLE,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
) -> int:
    """Watch a run: new checkpoints are scanned, the log is followed, silence is noticed.

    A checkpoint is read once it is complete. Of a bucket each look is a listing. With -q only
    findings are told. What was wrong before the watch began is said once and is no alert. Stop it
    with Ctrl-C.
    """
    from ckptdoctor.cache.memory import memory_for
    from ckptdoctor.cli.alerts import Alerts
    from ckptdoctor.cli.output import has_reader, note
    from ckptdoctor.cli.work import wish_of
    from ckptdoctor.runs.discover import default_paths
    from ckptdoctor.sources.descriptors import is_far
    from ckptdoctor.watch.afar import FAR_INTERVAL_S, Afar
    from ckptdoctor.watch.watcher import Watcher, Watching

    gc.enable()  # off for commands that end soon
    where = folder or default_paths()[0]
    is_any_far = any(map(is_far, (where, *(log or ()))))
    afar = Afar(where, interval or FAR_INTERVAL_S) if is_any_far else None
    if why := _why_nothing(where, afar, log or ()):
        note(why)
        return Exit.NOTHING
    memory = memory_for(wanted=is_any_far)
    interval_s = interval or (FAR_INTERVAL_S if is_far(where) else _INTERVAL_S)
    watcher = Watcher(
        Watching(
            folder=where,
            wish=wish_of(log, log_pattern, metric, mode),
            interval_s=interval_s,
            stall_factor=stall_factor,
            stall_least_s=stall_least,
            pid=pid,
            jobs=jobs,
            afar=afar,
            memory=memory,
            is_own=_own_files(output),
        )
    )
    alerts = Alerts(on_alert)
    teller = _Teller(_writer(fmt, output, no_color=no_color), alerts, fail_on, quiet=quiet)
    try:
        alarmed = teller.tell(watcher.start(), known_count=once)
        for line in watcher.not_judged:
            note(line)
        if once:
            alarmed = teller.tell(watcher.finish()) or alarmed
            if not watcher.found_anything:
                if watcher.has_begun:
                    note(f"{where}: no checkpoint in it, and no log")
                return Exit.NOTHING
            return Exit.FINDINGS if alarmed else Exit.OK
        while not (alarmed and exit_on_alert):
            time.sleep(interval_s)
            if output is None and not has_reader():
                return Exit.OK
            alarmed = teller.tell(watcher.poll())
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    finally:
        watcher.close()
        if memory is not None:
            memory.close()
        alerts.wait()
    return Exit.FINDINGS


def _why_nothing(where: Path, afar: Afar | None, logs: Iterable[Path]) -> str:
    """Why there is nothing to watch; "" where there is, or behind a URL may come.

    Raises:
        UsageError: it is nothing that can be watched.
    """
    from ckptdoctor.errors import UsageError
    from ckptdoctor.runs.absent import why_absent
    from ckptdoctor.shell import command_line
    from ckptdoctor.sources.descriptors import is_far
    from ckptdoctor.sources.errors import NoListError

    if not is_far(where) and not where.is_dir():
        if where.exists():
            raise UsageError(_is_a_file(where))
        return why_absent(where, "folder")
    if getattr(where, "lies_within_another", False):
        raise UsageError(f"{where}: what lies within another file is not watched")
    if not getattr(where, "may_be_listed", True):
        raise UsageError(
            f"{where}: name a folder: a bucket, or a model of a hub, and what is in it"
        )
    if afar is not None:
        try:
            afar.begin(time.monotonic(), logs)
        except NotADirectoryError:
            raise UsageError(_is_a_file(where)) from None
        except NoListError:
            scan = command_line("ckptdoctor", "scan", where / "NAME.pth")
            words = "the server lists no files there, so that no new one is seen"
            raise UsageError(f"{where}: {words}; scan each by its name:  {scan}") from None
        except FileNotFoundError as error:
            return f"{where}: {error.strerror}: {error.filename}"
        except PermissionError as error:
            return f"{where}: {error.strerror or error}"
        except OSError as error:
            raise UsageError(f"{where}: {error.strerror or error}") from None
    return ""


def _is_a_file(path: Path) -> str:
    from ckptdoctor.shell import command_line

    folder = command_line("ckptdoctor", "watch", path.parent)
    return f"{path} is a file; a watch is kept on its folder:  {folder}"


class _Teller:
    """Writes events, and says whether one of them is a reason to be alarmed."""

    def __init__(
        self, write: Callable[[Event], None], alerts: Alerts, fail_on: FailOn, *, quiet: bool
    ) -> None:
        self._write = write
        self._alerts = alerts
        self._threshold = fail_on.severity
        self._quiet = quiet

    def tell(self, events: Iterable[Event], *, known_count: bool = False) -> bool:
        """Write them; whether there was an alert.

        Args:
            events: as they come.
            known_count: whether what was there before counts as well.
        """
        from ckptdoctor.render.events import event_json

        alarmed = False
        for event in events:
            serious = (
                self._threshold is not None
                and event.severity is not None
                and event.severity >= self._threshold
            )
            if serious and (known_count or not event.known):
                alarmed = True
                self._alerts.tell(event_json(event))
            if event.severity is not None or not self._quiet:
                self._write(event)
        return alarmed


def _writer(fmt: _Format, output: Path | None, *, no_color: bool) -> Callable[[Event], None]:
    """Writes an event at once; a full disk costs the lines that do not fit, and not the watch."""
    from ckptdoctor.cli.output import append_result, note
    from ckptdoctor.cli.work import screen_for
    from ckptdoctor.render.events import event_json, event_text

    screen = screen_for(output, verbosity=0, no_color=no_color)
    wraps = output is None and sys.stdout.isatty()
    lost = 0

    def write(event: Event) -> None:
        nonlocal lost
        as_json = fmt is _Format.JSONL
        text = event_json(event) if as_json else event_text(event, screen, wraps=wraps)
        try:
            append_result(text, output)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not lost:
                note(f"events cannot be written: {error.strerror or error}; the watch goes on")
            lost += 1
            return
        if lost:
            note(f"events are written again; {lost} were lost")
        lost = 0

    return write


def _own_files(output: Path | None) -> Callable[[Path], bool]:
    """Tells the files that the watch writes to itself: they are no logs of the run."""
    streams = set()
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            streams.add((status.st_dev, status.st_ino))

    def is_own(path: Path) -> bool:
        if output is not None and path.resolve() == output.resolve():
            return True
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) in streams

    return is_own
