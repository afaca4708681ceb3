"""What a worker does: a batch of files, each read and scanned as it would be here."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

from ckptdoctor.cache.packing import Packer
from ckptdoctor.executors.wire import Answer, answer_of
from ckptdoctor.formats import Repeats
from ckptdoctor.layouts.files import Part
from ckptdoctor.layouts.zero_shares import ZeroShare
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.one_file import AHEAD, Failed, Found, Pending, begun, finished
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.gradual import kernels_for
from ckptdoctor.scanning.kernels import Kernels
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.sources.ahead import Ahead
from ckptdoctor.sources.descriptors import expect_version
from ckptdoctor.version import __version__

__all__ = ["Order", "Orders", "examined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A file that is to be read.

    Attributes:
        path: the file.
        part: what it is of a checkpoint of several; None for a single file.
        has_note: whether a note of ours lies beside it.
        versions: of files that lie elsewhere, what is known here of each that will be opened: its
            size, its mark, and when it was written.
    """

    path: Path
    part: Part | None = None
    has_note: bool = False
    versions: tuple[tuple[Path, int, bytes, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """A batch of files.

    Attributes:
        each: they.
        folder: the current one, which paths may start from.
        version: of the program that asks.
    """

    each: tuple[Order, ...]
    folder: str
    version: str = __version__


def examined(orders: Orders) -> list[Answer] | str:
    """What came of each file of a batch; or why none of it can be read by this worker.

    Args:
        orders: the batch.
    """
    if orders.version != __version__:
        return f"a worker has ckptdoctor {__version__}, and this is {orders.version}"
    is_here = os.getcwd() == orders.folder  # noqa: PTH109
    packer = Packer()
    answers: list[Answer] = []
    waiting: deque[Pending | Failed] = deque()
    files = [
        (one.path, one.part)
        if is_here
        else (
            _seen_from(orders.folder, one.path),
            None if one.part is None else _part_from(orders.folder, one.part),
        )
        for one in orders.each
    ]
    for order in orders.each:
        for version in order.versions:
            expect_version(*version)
    with (
        Scanner(1, kernels=_kernels_here()) as scanner,
        Ahead((path, lambda: False) for path, _ in files) as ahead,
    ):
        for order, (path, part) in zip(orders.each, files, strict=True):
            ahead.begin()
            while waiting and (len(waiting) > AHEAD or ahead.waits(path)):
                answers.append(answer_of(_finished(waiting.popleft()), packer))
            pending = begun(
                path,
                part,
                scanner,
                repeats=_mine.repeats,
                has_note=order.has_note,
            )
            ahead.opened(path)
            waiting.append(pending)
        while waiting:
            answers.append(answer_of(_finished(waiting.popleft()), packer))
    return answers


def _finished(one: Pending | Failed) -> Found | Failed:
    return one if isinstance(one, Failed) else finished(one)


def _seen_from(folder: str, path: Path) -> Path:
    """A path as it is named where the current folder is another."""
    return path if path.is_absolute() else Path(folder) / path


def _part_from(folder: str, part: Part) -> Part:
    described = part.described
    if isinstance(described, ZeroShare):
        models = tuple(_seen_from(folder, one) for one in described.models)
        described = replace(described, models=models)
    return replace(part, path=_seen_from(folder, part.path), described=described)


class _Mine(threading.local):
    """What a thread of a worker keeps from batch to batch."""

    def __init__(self) -> None:
        self.repeats = Repeats()


_mine = _Mine()
_lock = threading.Lock()
_kernels: list[Kernels] = []


def _kernels_here() -> Kernels:
    """The backend of this process, loaded and tested once there is enough to measure."""
    with _lock:
        if not _kernels:
            _kernels.append(kernels_for(load_kernels))
        return _kernels[0]
