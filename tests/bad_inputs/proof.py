"""Loads bypasses as their victims would, each in a process of its own, and says which have run.

``python -m tests.bad_inputs.proof FOLDER``: in FOLDER lies one folder a bypass, with the file. They
are named ``LOADER-NUMBER``; the code has to touch ``canary`` in its own, or a file whose name
begins so: some functions write no other.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import signal
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

from tests.bad_inputs.bypass.one import Bypass, Loader

__all__ = ["have_run"]

_SECONDS = 20


def have_run(bypasses: Iterable[Bypass], folder: Path) -> set[str]:
    """The names of those that ran their code when they were loaded."""
    names: dict[str, str] = {}
    for number, bypass in enumerate(bypasses):
        place = folder / f"{bypass.loader.name}-{number}"
        place.mkdir()
        bypass.build(place, place / "canary")
        names[place.name] = bypass.name
    command = [sys.executable, "-m", "tests.bad_inputs.proof", str(folder)]
    done = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, timeout=900, check=True
    )
    return {names[place] for place in json.loads(done.stdout.splitlines()[-1])}


def _unpacked(data: bytes) -> bytes:
    match data[:1]:
        case b"\x1f":
            return gzip.decompress(data)
        case b"x":
            return zlib.decompress(data)
        case b"B":
            return bz2.decompress(data)
    return lzma.decompress(data)


def _load(loader: Loader, path: Path) -> None:
    data = path.read_bytes()
    match loader:
        case Loader.PICKLE:
            pickle.loads(data)
        case Loader.ALL:
            stream = io.BytesIO(data)
            while True:
                pickle.load(stream)
        case Loader.UNPACKED:
            pickle.loads(_unpacked(data))
        case Loader.NUMPY:
            import numpy as np

            found = np.load(path, allow_pickle=True)
            for name in getattr(found, "files", ()):
                found[name]
        case Loader.JOBLIB:
            import joblib

            joblib.load(path)
        case Loader.TORCH:
            import torch

            torch.load(path, weights_only=False)
        case Loader.NONE:
            raise NotImplementedError(path)


def _main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    places = sorted(folder.iterdir())
    if any(place.name.startswith(Loader.TORCH.name) for place in places):
        import torch  # noqa: F401  (once, before the processes part)
    for place in places:
        child = os.fork()
        if child == 0:
            os.chdir(place)  # whatever it writes, it writes there
            os.environ |= {"CANARY": str(place / "canary"), "HOME": str(place)}
            quiet = os.open(os.devnull, os.O_RDWR)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            signal.alarm(_SECONDS)
            (path,) = place.glob("model.*")
            try:
                _load(Loader[place.name.partition("-")[0]], path)
            finally:  # whatever came of it
                os._exit(0)
        os.waitpid(child, 0)
    for _ in range(20):  # programs that were started may still be on their way
        run = [place.name for place in places if any(place.glob("canary*"))]
        if len(run) == len(places):
            break
        signal.sigtimedwait([], 0.1)
    print(json.dumps(run))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
