"""How fast a scan is, against what else there is, measured in one run.

    python -m tests.benchmarks.scan            everything; makes 9 GB of files in a temporary folder
    python -m tests.benchmarks.scan --quick    a tenth of it, to see that it works
    python -m tests.benchmarks.scan --shape vit            these of scan_shapes.py alone
    python -m tests.benchmarks.scan --shape small --huge   50,000 files

Every figure is a median over rounds in which the candidates take turns, with the files in the page
cache; of shapes it is the least of few rounds. Ratios are within one run: absolute times say more
about the machine than about us.
"""

from __future__ import annotations

import argparse
import mmap
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import torch
from zlib_ng import zlib_ng

from ckptdoctor.bulk import few_collections
from ckptdoctor.checkpoint import Checkpoint, StorageRef
from ckptdoctor.dtypes import BY_NAME, DType
from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.cores import available_cores
from ckptdoctor.scanning.kernels import Worker
from ckptdoctor.scanning.plan import CHUNK_NBYTES, Task, make_plan
from ckptdoctor.scanning.scanner import Scanner
from tests.benchmarks.scan_processes import as_installed, measure_shape, peak_anonymous
from tests.benchmarks.scan_shapes import SHAPES

_PARTS = ("memory", "inside", "whole", "headers", "shapes")
_EXTREMES = "extremes alone, in the cache"
_CHECKSUMS = "CRC alone, in the cache"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
USUAL_SCRIPT = """
import sys, torch
for path in sys.argv[1:]:
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    any(torch.isnan(v).any() for v in checkpoint["model_state_dict"].values())
"""
MAPPED_SCRIPT = """
import sys, torch
for path in sys.argv[1:]:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    [v.aminmax() for v in checkpoint["model_state_dict"].values()]
"""


@dataclass(frozen=True, slots=True)
class FileSet:
    """Checkpoints to scan."""

    name: str
    paths: list[Path]

    @property
    def nbytes(self) -> int:
        """Their size."""
        return sum(path.stat().st_size for path in self.paths)


def main() -> None:
    """Make the files, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small files, few rounds")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each comparison")
    parser.add_argument("--only", choices=_PARTS, default="")
    parser.add_argument("--shape", choices=tuple(SHAPES), action="append", default=[])
    parser.add_argument("--huge", action="store_true", help="the shapes of 50,000 files too")
    options = parser.parse_args()
    if options.shape:
        options.only = "shapes"
    scale = 10 if options.quick else 1
    rounds = options.rounds or (3 if options.quick else 9)
    print(f"{platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, ")
    print(f"torch {torch.__version__}; medians of {rounds} rounds, page cache warm\n")
    with tempfile.TemporaryDirectory(prefix="ckptdoctor-bench-") as folder:
        root = Path(folder)
        if options.only in ("", "inside"):
            for dtype in DTYPES:
                large = _make(root, "one of 1.3 GB", 1, 1300 // scale, dtype)
                _inside(large, dtype, rounds)
                shutil.rmtree(large.paths[0].parent)
        if options.only in ("", "whole"):
            for count, size in ((1, 1300), (12, 300), (500, 1)):
                files = _make(
                    root, f"{count} of {size} MB", max(1, count // scale), size, torch.float32
                )
                _whole(files, rounds)
                shutil.rmtree(files.paths[0].parent)
        if options.only in ("", "headers"):
            _headers(root, 10_000 // scale, rounds)
        if options.only in ("", "memory"):
            _memory(root, scale)
        if options.only in ("", "shapes"):
            _shapes(root, options, scale)


def _shapes(root: Path, options: argparse.Namespace, scale: int) -> None:
    for name, shape in SHAPES.items():
        if name in (options.shape or SHAPES) and (options.huge or not shape.is_huge):
            counts = [max(1, count // scale) for count in shape.counts]
            if options.quick:
                del counts[:-1]
            measure_shape(root, shape, counts, options.rounds or (1 if options.quick else 3))


# -- in one process ------------------------------------------------------------------------------


def _inside(files: FileSet, dtype: torch.dtype, rounds: int) -> None:
    (path,) = files.paths
    name = str(dtype).removeprefix("torch.")
    with (
        Scanner() as scanner,
        opened(path) as file,
        _Limit() as limit,
        _InCache(file.fd, BY_NAME[name], files.nbytes) as cached,
    ):
        checkpoint = read_checkpoint(file)
        unchecked = _without_crc(checkpoint)
        tasks = make_plan(unchecked)[1]
        candidates: dict[str, Callable[[], object]] = {
            "read only (the limit)": lambda: limit.run(tasks, file.fd),
            "ckptdoctor": lambda: scanner.submit(unchecked, file.fd).result(),
            "ckptdoctor, CRC too": lambda: scanner.submit(checkpoint, file.fd).result(),
            "torch.load(mmap) + aminmax": lambda: _mapped(path),
            "torch.load + isnan().any()": lambda: _usual(path),
            _EXTREMES: cached.extremes,
            _CHECKSUMS: cached.checksums,
        }
        seconds = _take_turns(candidates, rounds, slow={"torch.load + isnan().any()": 3})
    print(f"{name}, {files.name}, in process, {files.nbytes / 1e9:.2f} GB")
    best = seconds["read only (the limit)"]
    ours = seconds["ckptdoctor"]
    for what, took in seconds.items():
        print(
            f"  {what:<28} {took * 1000:8.1f} ms {files.nbytes / took / 1e9:6.1f} GB/s"
            f"  {best / took:5.2f} of the limit  {took / ours:6.1f} x our time"
        )
    two = best + seconds[_EXTREMES]
    three = two + seconds[_CHECKSUMS]
    print(
        f"  one pass behind another: {best / two:.2f} of the limit at most, "
        f"{best / three:.2f} with CRC\n",
        flush=True,
    )


class _InCache:
    """The other passes over as many bytes by as many threads, over a chunk that is in the cache."""

    def __init__(self, fd: int, dtype: DType, nbytes: int) -> None:
        self._dtype = dtype
        self._count = max(1, nbytes // CHUNK_NBYTES // available_cores())
        self._pool = ThreadPoolExecutor(available_cores())
        self._kernels = load_kernels()
        self._local = threading.local()
        self._bytes = os.pread(fd, CHUNK_NBYTES, CHUNK_NBYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def extremes(self) -> None:
        """Those of every element."""
        self._in_all(lambda worker, view: worker.measure(view, self._dtype))

    def checksums(self) -> None:
        """A CRC32 of every chunk."""
        self._in_all(lambda _, view: zlib_ng.crc32(view))

    def _in_all(self, work: Callable[[Worker, memoryview], object]) -> None:
        def again_and_again(_: int) -> None:
            if not hasattr(self._local, "view"):
                self._local.view = memoryview(mmap.mmap(-1, CHUNK_NBYTES))
                self._local.worker = self._kernels.worker()
            self._local.view[:] = self._bytes
            for _ in range(self._count):
                work(self._local.worker, self._local.view)

        list(self._pool.map(again_and_again, range(available_cores())))


class _Limit:
    """The same reads into the same buffers by as many threads, and nothing else."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(available_cores())
        self._buffers = [
            mmap.mmap(-1, CHUNK_NBYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for _ in range(available_cores())
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, tasks: Sequence[Task], fd: int) -> None:
        """Read all of it."""
        todo = list(tasks)

        def work(buffer: mmap.mmap) -> None:
            view = memoryview(buffer)
            while True:
                try:
                    task = todo.pop()
                except IndexError:
                    return
                for read in task.reads:
                    for done in range(0, read.nbytes, CHUNK_NBYTES):
                        os.preadv(fd, [view[: read.nbytes - done]], read.offset + done)

        list(self._pool.map(work, self._buffers))


def _without_crc(checkpoint: Checkpoint) -> Checkpoint:
    def bare(ref: StorageRef | None) -> StorageRef | None:
        return None if ref is None else replace(ref, crc32=None)

    tensors = tuple(replace(tensor, storage=bare(tensor.storage)) for tensor in checkpoint.tensors)
    return replace(checkpoint, tensors=tensors, records=())


def _usual(path: Path) -> None:
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    any(torch.isnan(value).any() for value in checkpoint["model_state_dict"].values())


def _mapped(path: Path) -> None:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    for value in checkpoint["model_state_dict"].values():
        value.aminmax()


# -- whole processes -----------------------------------------------------------------------------


def _whole(files: FileSet, rounds: int) -> None:
    paths = [str(path) for path in files.paths]
    python = sys.executable
    ours = [python, "-m", "ckptdoctor", "scan", "--no-cache", str(files.paths[0].parent)]
    candidates: dict[str, Callable[[], object]] = {
        "ckptdoctor scan, CRC too": lambda: _run(ours),
        "python -c 'import torch'": lambda: _run([python, "-c", "import torch"]),
        "torch.load(mmap) + aminmax": lambda: _run([python, "-c", MAPPED_SCRIPT, *paths]),
        "torch.load + isnan().any()": lambda: _run([python, "-c", USUAL_SCRIPT, *paths]),
    }
    seconds = _take_turns(candidates, rounds, slow={"torch.load + isnan().any()": 3})
    print(f"float32, {files.name}, whole processes, {files.nbytes / 1e9:.2f} GB")
    base = seconds["ckptdoctor scan, CRC too"]
    for what, took in seconds.items():
        print(f"  {what:<28} {took:8.3f} s  {took / base:6.2f} x our time")
    print(flush=True)


def _headers(root: Path, count: int, rounds: int) -> None:
    """Reading the description of many tensors, without their bytes."""
    path = root / "many.pth"
    torch.save({"model": {f"block.{i}.weight": torch.zeros(2) for i in range(count)}}, path)

    def ours() -> None:
        with few_collections(), opened(path) as file:  # as commands and functions read
            read_checkpoint(file)

    candidates: dict[str, Callable[[], object]] = {
        "ckptdoctor": ours,
        "torch.load(weights_only, mmap)": lambda: torch.load(path, weights_only=True, mmap=True),
    }
    seconds = _take_turns(candidates, rounds)
    print(f"the header of a checkpoint with {count} tensors")
    for what, took in seconds.items():
        print(f"  {what:<30} {took * 1000:8.1f} ms")
    for option in ("--help", "--version"):
        command = [sys.executable, "-m", "ckptdoctor", option]
        took = _take_turns({option: partial(_run, command)}, rounds)[option]
        print(f"  ckptdoctor {option:<19} {took * 1000:8.1f} ms")
    print(flush=True)


# -- memory --------------------------------------------------------------------------------------


def _memory(root: Path, scale: int) -> None:
    empty = root / "empty"
    empty.mkdir()
    base = peak_anonymous([str(empty)])
    print("peak anonymous memory of `ckptdoctor scan`, over a scan of an empty folder")
    print(f"  {'empty folder':<12} {base / 1e6:7.1f} MB")
    for megabytes in (100, 4000 // scale):
        folder = root / f"sparse-{megabytes}"
        folder.mkdir()
        with torch.serialization.skip_data():  # the file is a hole: nothing is written
            torch.save(
                {"model": {str(i): torch.empty(megabytes * 12_500) for i in range(20)}},
                folder / "sparse.pth",
            )
        peak = peak_anonymous([str(folder)])
        print(f"  {f'{megabytes} MB':<12} {peak / 1e6:7.1f} MB  +{(peak - base) / 1e6:.1f} MB")
        shutil.rmtree(folder)
    print(flush=True)


# -- the rest ------------------------------------------------------------------------------------


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=as_installed())


def _take_turns(
    candidates: dict[str, Callable[[], object]], rounds: int, slow: dict[str, int] | None = None
) -> dict[str, float]:
    """The median time of each candidate, one round after another, after one that is not counted.

    Args:
        candidates: by name.
        rounds: how often each runs.
        slow: candidates that run less often.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, call in candidates.items():
            if number > (slow or {}).get(name, rounds):
                continue
            start = time.perf_counter()
            call()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _make(root: Path, name: str, count: int, megabytes: int, dtype: torch.dtype) -> FileSet:
    folder = root / name.replace(" ", "-")
    folder.mkdir()
    return FileSet(name, list(_write(folder, count, megabytes, dtype)))


def _write(folder: Path, count: int, megabytes: int, dtype: torch.dtype) -> Iterator[Path]:
    generator = torch.Generator().manual_seed(0)
    layers = 26 if megabytes > 10 else 4
    rows = max(1, megabytes * 1_000_000 // layers // dtype.itemsize // 1000)
    noise = torch.randn(rows, 1000, generator=generator).mul_(0.02).to(dtype)
    for epoch in range(count):
        path = folder / f"checkpoint_epoch_{epoch}.pth"
        weights = {f"layer{i}.weight": noise.clone() for i in range(layers)}
        torch.save({"epoch": epoch, "model_state_dict": weights}, path)
        yield path


if __name__ == "__main__":
    main()
