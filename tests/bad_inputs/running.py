"""Examines one kind of bad input the way the user does."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main

from ckptdoctor.__main__ import run
from ckptdoctor.formats import read_checkpoint
from tests.bad_inputs.good import zip_bytes
from tests.bad_inputs.kind import Kind

__all__ = ["Answer", "answer_to", "called", "made", "meddling"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``ckptdoctor scan`` says of a bad file that lies beside a sound one.

    Attributes:
        exit_code: with the bad file alone.
        checkpoint: its entry in the report; None where it has none.
        neighbour: the verdict of the sound file.
        notes: what stood on standard error.
    """

    exit_code: int
    checkpoint: dict[str, Any] | None
    neighbour: str
    notes: str

    def finding(self, code: str, says: str) -> dict[str, Any]:
        """The first finding with this code that says this; an empty one where there is none."""
        findings: list[dict[str, Any]] = (self.checkpoint or {}).get("findings", [])
        return next((one for one in findings if one["code"] == code and says in one["message"]), {})


class _Stream(io.TextIOWrapper):
    """Standard output or standard error, kept."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape")

    def text(self) -> str:
        """What was written."""
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode("utf-8", "surrogateescape")


# The parser of all commands, built once and not for each of a thousand calls.
_parser = functools.cache(typer.main.get_command)


def called(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, in this process."""
    out, err = _Stream(), _Stream()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(typer.main, "get_command", _parser),
    ):
        try:
            code = run([os.fspath(argument) for argument in arguments])
        finally:
            gc.enable()
    return code, out.text(), err.text()


def made(kind: Kind, folder: Path) -> Path:
    """The bad input, made in a folder of its own."""
    path = folder / "model.pth"
    return kind.build(path) or path


@contextlib.contextmanager
def meddling(kind: Kind, path: Path) -> Iterator[None]:
    """Do to the file what the kind says, once, while it is read."""
    if kind.meddle is None:
        yield
        return
    meddle = kind.meddle
    done = False

    def reading(file: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal done
        late = kind.meddles_late
        before = file.path == path and not done
        done = done or before
        if before and not late:
            meddle(path)
        checkpoint = read_checkpoint(file, *arguments, **named)
        if before and late:
            meddle(path)
        return checkpoint

    with mock.patch("ckptdoctor.one_file.read_checkpoint", reading):
        yield


def answer_to(kind: Kind, folder: Path) -> Answer:
    """What ``scan`` says of the bad input, alone and beside a sound file."""
    path = made(kind, folder)
    with meddling(kind, path):
        code, out, err = called("scan", path, "--format", "json", "--quiet")
    sound = folder / "sound.pth"
    sound.write_bytes(zip_bytes())
    _, beside, _ = called("scan", path, sound, "--format", "json", "--quiet")
    (verdict,) = [
        row["verdict"]
        for row in json.loads(beside)["checkpoints"]
        if Path(row["path"]).name == "sound.pth"
    ]
    rows = json.loads(out)["checkpoints"]
    return Answer(code, rows[0] if rows else None, verdict, err)
