"""One input through the readers, the scan and the rules, as ``scan`` does; and what it cost."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import signal
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, MappingProxyType, TracebackType
from typing import Self

from ckptdoctor.errors import CkptDoctorError
from ckptdoctor.formats import locate_scalars, read_checkpoint
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.writer import UnwritableError, write_pickle
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.metadata import read_metadata
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.report import CheckpointReport, Report, TensorTotals
from ckptdoctor.rules import ALL_RULES, Case, verdict_of
from ckptdoctor.runs.logs import read_logs
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.weightless import has_weights
from tests.bad_inputs.archive_maker import (
    a_legacy_file,
    a_pickle,
    a_safetensors_file,
    a_tar,
    a_zip,
)
from tests.bad_inputs.log_files_maker import a_log_file
from tests.bad_inputs.log_maker import a_log

__all__ = ["LIMIT_MB", "LIMIT_S", "TARGETS", "Executor", "Offence", "Tally", "run_target"]

LIMIT_S = 5.0
LIMIT_MB = 256.0
_OVERDUE_S = 30.0
_BATCH = 100
_CURIOUS_MB = 16.0  # a batch that grew by more is run again, an input at a time
_ROUND_TRIPS = 8  # one input in so many is located and written again as well

Make = Callable[[random.Random], bytes]


class OverdueError(BaseException):
    """An execution that does not end; no handler in between may swallow it."""


@dataclass(frozen=True, slots=True)
class Offence:
    """An input that broke the promise.

    Attributes:
        why: what it did.
        number: of the input within its target and seed.
        data: the input.
    """

    why: str
    number: int
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What the executions of one target came to.

    Attributes:
        target: its name.
        executions: how many.
        seconds: all of them together, the making of the inputs included.
        refused: answered by an error of ours.
        read: answered by what the input holds.
        slowest_s: the longest execution.
        most_mb: the most memory that one took above its start.
        offences: inputs that broke the promise.
    """

    target: str
    executions: int = 0
    seconds: float = 0.0
    refused: int = 0
    read: int = 0
    slowest_s: float = 0.0
    most_mb: float = 0.0
    offences: list[Offence] = field(default_factory=list)


class _AtOnce(ThreadPoolExecutor):
    """Runs what is submitted in the caller: a thread would cost more than a small scan."""

    def submit(  # type: ignore[override]
        self, work: Callable[..., object], /, *arguments: object
    ) -> Future[object]:
        done: Future[object] = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001  (as a thread would)
            done.set_exception(error)
        return done


class Executor:
    """Runs inputs in this process, each through one file that is written over."""

    def __init__(self) -> None:
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._scanner = self._closing.enter_context(Scanner(1))
        self._scanner._pool = _AtOnce()
        folder = self._closing.enter_context(tempfile.TemporaryDirectory())
        self._path = Path(folder, "model.pth")
        self._log = Path(folder, "metrics", "train.log")  # MLflow's files are known by the folder
        self._log.parent.mkdir()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT)
        self._closing.callback(os.close, self._fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    def checkpoint(self, data: bytes) -> bool:
        """Whether the input can be read; False for an error of ours.

        Raises:
            Exception: any other error, from any step up to the report.
        """
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        file = OpenFile(self._path, self._fd)
        try:
            checkpoint = read_checkpoint(file)
        except CkptDoctorError:
            return False
        result = self._scanner.submit(checkpoint, self._fd).result()
        case = Case(
            checkpoint=checkpoint,
            stats=result.stats,
            problems=(*checkpoint.problems, *result.problems),
            unchecked=result.unchecked,
            metadata=read_metadata(checkpoint),
        )
        findings = [finding for rule in ALL_RULES for finding in rule().check(case)]
        report = CheckpointReport(
            path=self._path,
            format=checkpoint.format,
            nbytes=checkpoint.nbytes,
            verdict=verdict_of(findings, checkpoint.tensors),
            metadata=case.metadata,
            tensors=TensorTotals.of(checkpoint, result.stats.values()),
            has_weights=has_weights(checkpoint.tensors),
            findings=tuple(findings),
        )
        assert scan_json(Report(checkpoints=(report,))).isascii()
        if zlib.crc32(data) % _ROUND_TRIPS == 0:
            self._round_trip(file)
        return True

    def _round_trip(self, file: OpenFile) -> None:
        """What ``restore`` does before it writes."""
        with contextlib.suppress(CkptDoctorError, UnwritableError):
            locate_scalars(self._path)
            saved = read_object(file)
            write_pickle(saved.root, saved.source)

    def log(self, data: bytes) -> bool:
        """Whether anything was found in a log."""
        self._log.write_bytes(data)
        found = read_logs([self._log])
        assert all(found.by_epoch.current().values())
        return bool(found.epochs)


TARGETS: Mapping[str, tuple[Make, Callable[[Executor, bytes], bool]]] = MappingProxyType(
    {
        "zip": (a_zip, Executor.checkpoint),
        "pickle": (a_pickle, Executor.checkpoint),
        "legacy": (a_legacy_file, Executor.checkpoint),
        "tar": (a_tar, Executor.checkpoint),
        "safetensors": (a_safetensors_file, Executor.checkpoint),
        "logs": (a_log, Executor.log),
        "log files": (a_log_file, Executor.log),
    }
)
"""What is fuzzed: what makes an input, and what reads it."""


def run_target(
    target: str, executions: int, *, seed: int = 0, seconds: float = float("inf"), first: int = 0
) -> Tally:
    """What came of so many executions, or of as many as the seconds allow.

    Args:
        target: a key of :data:`TARGETS`.
        executions: how many at most.
        seed: with the number of an input it decides what the input is.
        seconds: how long at most.
        first: the number of the first input.
    """
    make, _ = TARGETS[target]
    tally = Tally(target)
    start = time.perf_counter()
    with Executor() as executor, _alarm():
        _one(executor, Tally(target), 0, make(random.Random(f"{seed}:{target}:0")))  # imports
        for at in range(first, first + executions, _BATCH):
            numbers = range(at, min(at + _BATCH, first + executions))
            batch = {n: make(random.Random(f"{seed}:{target}:{n}")) for n in numbers}
            grown = _growth(lambda batch=batch: _all(executor, tally, batch))  # type: ignore[misc]
            if grown > _CURIOUS_MB:
                grown = _bisected(executor, tally, batch)
            tally.most_mb = max(tally.most_mb, grown)
            tally.seconds = time.perf_counter() - start
            if tally.seconds > seconds:
                break
    return tally


def _all(executor: Executor, tally: Tally, batch: Mapping[int, bytes]) -> None:
    for number, data in batch.items():
        _one(executor, tally, number, data)


def _one(executor: Executor, tally: Tally, number: int, data: bytes) -> None:
    """One execution, entered into the tally."""
    _, execute = TARGETS[tally.target]
    signal.setitimer(signal.ITIMER_REAL, _OVERDUE_S)
    start = time.process_time()
    try:
        read = execute(executor, data)
    except (Exception, OverdueError) as error:  # noqa: BLE001  (it is what we look for)
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        tally.offences.append(Offence(f"{type(error).__name__}: {error} ({place})", number, data))
    else:
        tally.read += read
        tally.refused += not read
    took = time.process_time() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    tally.executions += 1
    tally.slowest_s = max(tally.slowest_s, took)
    if took > LIMIT_S:
        tally.offences.append(Offence(f"took {took:.1f} s", number, data))


def _bisected(executor: Executor, tally: Tally, batch: Mapping[int, bytes]) -> float:
    """The most MB that one input of a batch takes; those beyond the limit are entered."""
    most = 0.0
    for number, data in batch.items():
        gc.collect()
        _give_back()
        grown = _growth(lambda n=number, d=data: _one(executor, Tally(tally.target), n, d))  # type: ignore[misc]
        most = max(most, grown)
        if grown > LIMIT_MB:
            tally.offences.append(Offence(f"took {grown:.0f} MB", number, data))
    return most


# -- memory --------------------------------------------------------------------------------------


def _growth(work: Callable[[], None]) -> float:
    """The most MB of memory above its start that some work takes; 0 where Linux does not tell."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        work()
        return 0.0
    clear.write_bytes(b"5")  # the high-water mark starts anew
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    """A figure of this process, in kB."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{name}:")[2].split(maxsplit=1)[0])


def _give_back() -> None:
    """Hand memory that is free back to the system, so that it shows when it is taken again."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """An alarm raises :class:`OverdueError`."""

    def overdue(_: int, __: FrameType | None) -> None:
        raise OverdueError(f"not done after {_OVERDUE_S:.0f} s")

    before = signal.signal(signal.SIGALRM, overdue)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
