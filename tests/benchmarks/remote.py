"""What far files cost: requests and bytes to describe one, and a scan against the download alone.

    python -m tests.benchmarks.remote [--files N] [--mb N] [--rounds N]
    python -m tests.benchmarks.remote --many 10000

A real S3 protocol on this machine (moto's server, a process of its own), asked by s3fs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import ckptdoctor
from tests.builders import save

_TENSOR_NUMEL = 250_000
_FILES_OF_A_RUN = 100


@contextlib.contextmanager
def bucket() -> Iterator[Any]:
    """A file system of s3fs on a server of its own, with an empty bucket ``bkt``."""
    import s3fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        system = s3fs.S3FileSystem()
        system.mkdir("bkt")
        yield system
    finally:
        server.terminate()
        server.wait()


def checkpoint(path: Path, mb: int) -> Path:
    """A zip of about so many megabytes."""
    count = max(1, mb * 1_000_000 // (4 * _TENSOR_NUMEL))
    return save(
        path, {"model": {f"l{at}.weight": torch.rand(_TENSOR_NUMEL) for at in range(count)}}
    )


@contextlib.contextmanager
def counted() -> Iterator[list[tuple[str, int]]]:
    """The requests made meanwhile: the method, and the bytes of objects that came."""
    import s3fs

    whole, asked = s3fs.S3FileSystem._call_s3, []

    async def counting(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        answer = await whole(self, method, *arguments, **options)
        asked.append((method, answer["ContentLength"] if method == "get_object" else 0))
        return answer

    s3fs.S3FileSystem._call_s3 = counting
    try:
        yield asked
    finally:
        s3fs.S3FileSystem._call_s3 = whole


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of processors, the latter in this process alone."""
    clock, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - own


def many(count: int) -> None:
    """Print what becomes of a scan of small objects that is killed at half, and begun again."""
    with tempfile.TemporaryDirectory() as folder, bucket() as system:
        small = save(
            Path(folder) / "small.pth",
            {"model": {f"l{at}.weight": torch.rand(1000) for at in range(24)}},
        ).read_bytes()
        for run in range(0, count, _FILES_OF_A_RUN):
            system.pipe(
                {
                    f"bkt/many/run_{run // _FILES_OF_A_RUN:04}/unet_{at}.pth": small
                    for at in range(min(_FILES_OF_A_RUN, count - run))
                }
            )
        os.environ |= {"CKPTDOCTOR_NO_CACHE": "", "CKPTDOCTOR_CACHE_DIR": f"{folder}/cache"}
        time.sleep(2.5)  # what was written a moment ago is not remembered
        for start, most in (("first", count // 2), ("second", -1), ("third", -1)):
            told, recall, mb, own = scanned("s3://bkt/many", most)
            print(
                f"{count} objects, {start} start: {told} told, {recall or 'nothing remembered'}; "
                f"{own:.1f} s of processors, {mb:.0f} MB at most",
                flush=True,
            )


def scanned(url: str, most: int) -> tuple[int, str, float, float]:
    """A scan that is killed once it has told of so many files; of -1 never.

    Returns:
        How many it told of, what it said of those remembered, megabytes at most, seconds of
        processors.
    """
    command = [sys.executable, "-m", "ckptdoctor", "scan", url, "--format", "jsonl"]
    scan = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert scan.stdout is not None
    assert scan.stderr is not None
    told = 0
    for line in scan.stdout:
        told += line.startswith(b'{"type": "checkpoint"')
        if told == most:
            scan.kill()
            break
    said = scan.stderr.read().decode().strip()
    _, _, used = os.wait4(scan.pid, 0)
    scan.returncode = 0
    return told, said, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=100)
    options.add_argument("--mb", type=int, default=20)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--many", type=int, default=0, metavar="N", help="so many small files")
    chosen = options.parse_args()
    if chosen.many:
        many(chosen.many)
        return
    os.environ["CKPTDOCTOR_NO_CACHE"] = "1"
    with tempfile.TemporaryDirectory() as folder, bucket() as system:
        root = Path(folder)
        system.put(str(checkpoint(root / "one.pth", 100)), "bkt/one/one.pth")
        with counted() as asked:
            ckptdoctor.open_checkpoint("s3://bkt/one/one.pth")
        came = sum(nbytes for _, nbytes in asked)
        print(f"describe a zip of 100 MB: {len(asked)} requests, {came / 1000:.0f} kB")
        small = checkpoint(root / "small.pth", chosen.mb)
        for at in range(chosen.files):
            system.put(str(small), f"bkt/run/u_{at}.pth")
        ckptdoctor.scan(small)  # torch's library is loaded once
        downloads, scans = [], []
        for _ in range(chosen.rounds):
            (root / "got").mkdir()
            downloads.append(
                spent(lambda: system.get("bkt/run", str(root / "got"), recursive=True))
            )
            with counted() as asked:
                scans.append(spent(lambda: ckptdoctor.scan("s3://bkt/run")))
            here = spent(lambda: ckptdoctor.scan(root / "got"))
            shutil.rmtree(root / "got")
        (clock, own), (of_clock, of_own) = min(scans), min(downloads)
        came = sum(nbytes for _, nbytes in asked)
        print(
            f"{chosen.files} files of {chosen.mb} MB: scan {clock / of_clock:.2f} of the download "
            f"alone by the clock ({clock:.1f} s, {of_clock:.1f} s; here {here[0]:.1f} s), "
            f"{own / of_own:.2f} of its processor time in this process ({own:.1f} s), "
            f"{len(asked)} requests, {came / 1e6:.0f} MB; "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB of memory at most"
        )


if __name__ == "__main__":
    main()
