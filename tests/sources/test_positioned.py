"""Bytes from a place in a file: the system's call, and what stands for it where there is none."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.sources import is_url, positioned
from tests.builders import save
from tests.sources import bare


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="nothing to hold it against")
def test_without_the_systems_call_threads_get_the_same_bytes(tmp_path: Path) -> None:
    data = random.Random(0).randbytes(300_001) + b"\x1a\r\n"
    (tmp_path / "f").write_bytes(data)
    places = [(at, size) for at in range(0, 300_200, 997) for size in (0, 1, 4096)]
    fd = os.open(tmp_path / "f", os.O_RDONLY)

    def both(place: tuple[int, int]) -> bool:
        at, size = place
        buffer, expected = bytearray(size), bytearray(size)
        read = positioned._moved(fd, memoryview(buffer), at), bytes(buffer)
        return read == (os.preadv(fd, [expected], at), bytes(expected)) and (
            positioned._moved_and_copied(fd, size, at) == os.pread(fd, size, at)
        )

    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(both, places))
        assert os.fstat(fd).st_size == len(data)  # the descriptor is still open
    finally:
        os.close(fd)


def test_an_error_of_the_system_is_passed_on(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(OSError, match=r"not open for reading|Bad file"):
            positioned._moved(fd, memoryview(bytearray(3)), 0)
    finally:
        os.close(fd)


def test_a_drive_is_no_scheme() -> None:
    assert not is_url("C://runs/a.pth")
    assert is_url("s3://runs/a.pth")


# -- whole commands ------------------------------------------------------------------------------


def answers(folder: Path, commands: list[list[str]], *words: str) -> list[Any]:
    """Exit code, standard output and standard error of each, in one process."""
    env = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, bare.__file__, *words],
        cwd=folder,
        env=env | {"PYTHONPATH": str(Path(__file__).parents[2])},
        input=json.dumps(commands).encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: list[Any] = json.loads(done.stdout)
    recalled = re.compile(r"^.* remembered\b.*\n", re.MULTILINE)  # goes by the time that passed
    return [(code, out, recalled.sub("", err)) for code, out, err in found]


def a_run(folder: Path) -> None:
    """Epochs with optimizers, one full of NaN, one cut, a deflated one, and a folder of parts."""
    generator = torch.Generator().manual_seed(1)
    scores = (0.5, 0.6, 0.61, 0.002)
    for epoch, score in enumerate(scores):
        weights = {"a": torch.rand(700, 900, generator=generator), "b": torch.ones(3)}
        if epoch == 3:
            weights["a"][5, 7] = float("nan")
        moments = {0: {"exp_avg": torch.zeros(3), "step": torch.tensor(9.0)}}
        groups = [{"lr": 0.001, "params": [0]}]
        state = {"model": weights, "optimizer": {"state": moments, "param_groups": groups}}
        save(folder / f"epoch_{epoch}.pth", state | {"epoch": epoch, "iou": score})
    whole = (folder / "epoch_2.pth").read_bytes()
    (folder / "epoch_4.pth").write_bytes(whole[:-3000])
    lines = (f"epoch {epoch} val_iou {score}\n" for epoch, score in enumerate(scores))
    (folder / "train.log").write_text("".join(lines))


def contents(folder: Path) -> dict[str, str]:
    """What lies there, but for notes, which hold times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


COMMANDS = [
    ["scan", "run", "--format", "json"],
    ["scan", "run"],
    ["scan", "run", "--jobs", "2", "--format", "json"],
    ["rank", "run", "--format", "json"],
    ["history", "run", "--format", "json"],
    ["plan", "run", "--command", "python train.py --lr 0.001 --resume x.pth"],
    ["inspect", "run/epoch_1.pth", "--all"],
    ["diff", "run/epoch_0.pth", "run/epoch_1.pth"],
    ["restore", "run", "-o", "clean.pth"],
    ["restore", "run", "-o", "clean.pth"],
    ["restore", "run", "-o", "clean.pth", "--force", "--scale-lr", "0.5"],
    ["restore", "run", "-o", "weights.safetensors", "--to", "safetensors"],
    ["autopsy", "run", "-o", "guide.md"],
    ["scan", "C:\\runs\\a.pth"],
    ["gpu"],
    ["repair", "run/epoch_4.pth", "--dry-run"],
    ["demo", "story"],
]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it takes /proc to know which files are open")
@pytest.mark.parametrize("cached", [False, True])
def test_without_what_unix_has_the_answers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    if cached:
        monkeypatch.delenv("CKPTDOCTOR_NO_CACHE")
    told = {}
    for words in ("bare", "whole"):
        monkeypatch.setenv("CKPTDOCTOR_CACHE_DIR", str(tmp_path / f"cache-{words}"))
        folder = tmp_path / "here"
        folder.mkdir()
        (folder / "run").mkdir()
        a_run(folder / "run")
        told[words] = answers(folder, COMMANDS, words), contents(folder)
        shutil.rmtree(folder)
    for command, ours, theirs in zip(COMMANDS, told["bare"][0], told["whole"][0], strict=True):
        assert ours == theirs, command
    assert told["bare"][1] == told["whole"][1]
    codes = [code for code, _, _ in told["bare"][0]]
    assert 70 not in codes
    assert codes[:3] == [1, 1, 1]
    assert codes[8:12] == [0, 4, 0, 0]
