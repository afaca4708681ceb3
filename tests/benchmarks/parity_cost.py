"""What a parity costs a save; ``python -m tests.benchmarks.bit_repair --cost`` runs it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from ckptdoctor.guard import safe_save
from ckptdoctor.recovery.parity.form import parity_path
from tests.benchmarks.page import markdown

NBYTES, ROUNDS = 256 << 20, 9


def table(folder: Path, nbytes: int, rounds: int) -> str:
    """A save without and with a parity, in turns: what each takes, and of the processor.

    With one thread of torch: more wait for each other where others use the cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _table(folder, nbytes, rounds)
    finally:
        torch.set_num_threads(threads)


def _table(folder: Path, nbytes: int, rounds: int) -> str:
    torch.manual_seed(0)
    state = {f"w{at}": torch.randn(1 << 20) for at in range(nbytes >> 22)}
    path = folder / "saved.pth"
    shares = (0.0, 0.01)
    clock: dict[float, list[float]] = {share: [] for share in shares}
    busy: dict[float, list[float]] = {share: [] for share in shares}
    for number in range(rounds + 1):
        for share in shares if number % 2 else shares[::-1]:
            start, before = time.perf_counter(), time.process_time()
            safe_save(state, path, parity=share)
            if number:  # the first opens the library
                clock[share].append(time.perf_counter() - start)
                busy[share].append(time.process_time() - before)
            if share:
                size = parity_path(path).stat().st_size / path.stat().st_size
    what = f"{path.stat().st_size / 1e6:.0f} MB, a parity of {size:.2%}"
    rows = [
        row
        for name, taken in (("by the clock", clock), ("of the processor", busy))
        for row in rows_of(name, *taken.values())
    ]
    return markdown((f"{what}, {rounds} saves", "without", "with it", "longer by"), rows)


def rows_of(name: str, without: list[float], with_it: list[float]) -> list[list[str]]:
    """Two lines: of neighbours the median, and the least of each."""
    ratio = statistics.median(b / a for a, b in zip(without, with_it, strict=True))
    times = (
        ("median", statistics.median(without), statistics.median(with_it), ratio),
        ("least", min(without), min(with_it), min(with_it) / min(without)),
    )
    return [
        [f"{name}, {which}", f"{a:.3f} s", f"{b:.3f} s", f"{ratio - 1:+.1%}"]
        for which, a, b, ratio in times
    ]
