"""Windows on files: what lies in another file is read as if it were one of its own."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ckptdoctor.errors import UnknownFormatError
from ckptdoctor.formats import open_file, opened, read_checkpoint
from ckptdoctor.scanning.scanner import Scanner


def as_zip(state: dict[str, torch.Tensor]) -> bytes:
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def as_legacy(state: dict[str, torch.Tensor]) -> bytes:
    out = io.BytesIO()
    torch.save(state, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


@pytest.mark.parametrize("written", [as_zip, as_legacy, safetensors.torch.save])
def test_a_checkpoint_within_a_file_is_read_and_scanned_where_it_lies(
    tmp_path: Path, written: Callable[[dict[str, torch.Tensor]], bytes]
) -> None:
    state = {"a.weight": torch.randn(5, 3), "a.bias": torch.randn(3)}
    data = written(state)
    (tmp_path / "f").write_bytes(b"\xff" * 777 + data + b"\xff" * 99)
    with opened(tmp_path / "f") as file, Scanner(1) as scanner:
        window = file.window(700, len(data) + 100).window(77, len(data))
        checkpoint = read_checkpoint(window)
        result = scanner.submit(checkpoint, file.fd).result()
        raw = (tmp_path / "f").read_bytes()
    assert (window.start, window.nbytes, window.is_packed) == (777, len(data), False)
    assert not (*checkpoint.problems, *result.problems)
    for tensor in checkpoint.tensors:
        expected = state[tensor.fqn]
        assert result.stats[tensor.fqn].max == expected.max().item()
        assert tensor.storage is not None
        at = tensor.storage.offset + tensor.storage_offset * 4
        assert raw[at : at + tensor.nbytes] == expected.numpy().tobytes()


def test_a_window_reaches_no_farther_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with opened(tmp_path / "f") as file:
        assert file.window(6, 100).source.read(0, 100) == b"6789"
        assert file.window(20, 5).nbytes == 0
        assert file.window(2, 5).window(1, 100).source.read(0, 100) == b"3456"
        held = file.window(2, 3, b"234")
        assert (held.source.read(1, 9), held.source.file_offset) == (b"34", 2)
        assert file.unpacked(b"plain").is_packed


def test_what_is_no_regular_file_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that waits for a reader would be sent away, and some devices act when opened."""
    pipe = tmp_path / "pipe.pth"
    os.mkfifo(pipe)
    asked: list[object] = []
    monkeypatch.setattr(open_file, "open_readable", lambda path, _: asked.append(path))
    for path in (pipe, Path(os.devnull)):
        with pytest.raises(UnknownFormatError, match="not a checkpoint but a"), opened(path):
            pass
    assert asked == []
