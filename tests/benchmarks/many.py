"""Thousands of files read by workers: killed at half and begun again, memory, two against one.

    python -m tests.benchmarks.many [--files N] [--runs N]
    python -m tests.benchmarks.many --files 2000 --mb 20    # two against one, of files of that size

A worker has one core, as a cluster confines it, and the process that asks may use all of them.
Seconds of processors say more than those of a clock where others use the machine: beside what a
scan took stands the least that it could take with its workers side by side.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ckptdoctor.cache.memory import memory_for
from ckptdoctor.executors.workers import Workers
from ckptdoctor.measure import Examination
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey

_NUMEL = 1_000
_TENSORS = 24
_DIFFERENT = 24
"""Large files that are not alike; the others are links to them, so that the cache holds all."""


class _OneCoreEach(Workers):
    """Workers that are confined to one core each, where the system can."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._cores = itertools.cycle(sorted(os.sched_getaffinity(0)))

    def _started(self) -> subprocess.Popen[bytes]:
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(
            0, {next(self._cores)}
        )  # that of this thread, which a process takes over
        try:
            return super()._started()
        finally:
            os.sched_setaffinity(0, every)


def main() -> None:
    """Make the files, and print the figures; or be the process that scans."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--mb", type=int, default=0, metavar="N", help="size of a file")
    parser.add_argument("--scan", nargs=3, metavar=("FOLDER", "WORKERS", "CACHED"))
    chosen = parser.parse_args()
    if chosen.scan:
        folder, count, cached = chosen.scan
        _scan(Path(folder), int(count), cached=cached == "yes")
        return
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        if chosen.mb:
            _make_large(root / "all", chosen.files, chosen.mb)
            _two_against_one(root / "all")
            return
        _make(root / "all", chosen.files, chosen.runs)
        os.environ["CKPTDOCTOR_CACHE_DIR"] = str(root / "cache")
        os.environ["CKPTDOCTOR_NO_CACHE"] = ""
        time.sleep(2.5)  # what was written a moment ago is not remembered
        _killed_at_half(root / "all", chosen.files)
        few = root / "all" / "few"
        _make(few, max(1, chosen.files // 5), max(1, chosen.runs // 5))
        _two_against_one(few)


def _make(root: Path, files: int, runs: int) -> None:
    import torch  # not in the process whose memory is measured

    from tests.builders import save

    for run in range(runs):
        folder = root / f"run_{run:03}"
        folder.mkdir(parents=True)
        for epoch in range(files // runs):
            state = {f"l{at}.weight": torch.rand(_NUMEL) for at in range(_TENSORS)}
            save(folder / f"unet_{epoch}.pth", {"model_state_dict": state, "epoch": epoch})


def _make_large(root: Path, files: int, mb: int) -> None:
    import torch

    from tests.builders import save

    for at in range(files):
        path = root / f"run_{at % _DIFFERENT:03}" / f"unet_{at // _DIFFERENT}.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        if at < _DIFFERENT:
            numel = mb * 250_000 // _TENSORS
            state = {f"l{i}.weight": torch.rand(numel) for i in range(_TENSORS)}
            save(path, {"model_state_dict": state, "epoch": 0})
        else:
            os.link(path.parent / "unet_0.pth", path)


def _killed_at_half(folder: Path, files: int) -> None:
    first = _start(folder, 2, cached=True)
    assert first.stdout is not None
    for line in first.stdout:
        if int(line) >= files // 2:
            break
    first.send_signal(signal.SIGKILL)
    first.wait()
    told = _end(_start(folder, 2, cached=True))
    print(
        f"{files} files, killed at {files // 2}: the second start read {told['read']}, "
        f"remembered {told['remembered']}; at most {told['peak_mb']:.0f} MB; "
        f"{told['judging_s']:.1f} s of processors after the last file"
    )
    again = _end(_start(folder, 2, cached=True))
    print(f"a third start read {again['read']}, and took {again['own_s']:.1f} s of processors")


def _two_against_one(folder: Path) -> None:
    found = {count: _end(_start(folder, count, cached=False)) for count in (1, 2)}
    least = {n: max(one["own_s"], one["workers_s"] / n) for n, one in found.items()}
    for count, one in found.items():
        print(
            f"{one['read']} files, {count} workers: {one['wall_s']:.1f} s; of processors "
            f"{one['own_s']:.1f} s here, {one['workers_s']:.1f} s in workers; "
            f"{least[count]:.1f} s at least with a core for each"
        )
    print(
        f"two are {found[1]['wall_s'] / found[2]['wall_s']:.2f} times as fast as one by the "
        f"clock, {least[1] / least[2]:.2f} times with a core for each"
    )


def _start(folder: Path, workers: int, *, cached: bool) -> subprocess.Popen[str]:
    asked = [str(folder), str(workers), "yes" if cached else "no"]
    command = [sys.executable, "-m", "tests.benchmarks.many", "--scan", *asked]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _end(scan: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = scan.communicate()
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return told


def _scan(folder: Path, count: int, *, cached: bool) -> None:
    read, last = 0, 0.0

    def note(_: int) -> None:
        nonlocal read, last
        read, last = read + 1, _seconds(resource.RUSAGE_SELF)
        if read % 100 == 0:
            print(read, flush=True)

    start, before = time.perf_counter(), _seconds(resource.RUSAGE_SELF)
    memory = memory_for(wanted=cached)
    with _WORKERS(count) as workers:
        survey(discover([folder]), Examination(memory=memory, executor=workers, progress=note))
    remembered = 0 if memory is None else memory.recall.files
    if memory is not None:
        memory.__exit__(None, None, None)
    own = _seconds(resource.RUSAGE_SELF)
    told = {
        "read": read,
        "remembered": remembered,
        "wall_s": time.perf_counter() - start,
        "own_s": own - before,
        "judging_s": own - (last or before),
        "workers_s": _seconds(resource.RUSAGE_CHILDREN),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


_WORKERS = _OneCoreEach if hasattr(os, "sched_setaffinity") else Workers


def _seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
