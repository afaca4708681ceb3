"""open_checkpoint: by content and not by name; strangers named; nothing waited for."""

from __future__ import annotations

import contextlib
import gzip
import os
import pickle
import re
import socket
from pathlib import Path

import pytest
import torch

from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.formats import (
    Limits,
    looks_like_checkpoint,
    open_checkpoint,
    opened,
    read_checkpoint,
)
from tests.builders import safetensors_file, save
from tests.each import each

PAGE = b"<!DOCTYPE html>\n<html><head><title> Sign in \n</title></head><body>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n"

STRANGERS = {
    "an empty file": b"",
    "an HTML page titled 'Sign in'": PAGE,
    "an HTML page": b"\n  <HTML><body>no title</body>",
    "a git-lfs pointer (real size 123456 bytes)": LFS,
    "a git-lfs pointer": LFS[:44],
    "a gzip archive": gzip.compress(b"checkpoint"),
    "a bzip2 archive": b"BZh91AY",
    "an xz archive": b"\xfd7zXZ\0\0",
    "a zstandard archive": b"(\xb5/\xfd\0",
    "an empty zip archive": b"PK\x05\x06" + b"\0" * 18,
    "a GGUF model": b"GGUF\x03\0\0\0",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n\0",
    "a numpy .npy array": b"\x93NUMPY\x01\0",
    "a PNG image": b"\x89PNG\r\n",
    "a compiled program": b"\x7fELF\x02",
    "an SQLite database": b"SQLite format 3\0",
    "a JSON document that says 'gone'": b'{"error":  "gone"}',
    "a JSON document": b"[1, 2]",
    "an XML document": b'<?xml version="1.0"?><Error/>',
    "1000 bytes of zeros": b"\0" * 1000,
    "a file that starts with zeros": b"\0" * 10_000,
    "a text file": b"epoch 88 iou 0.6413\nepoch 89 iou 0.63\n",
    "a pickle of a single value": b"\x80\x02K\x01.",
    "neither a zip archive nor a pickle": b"\xff\xfe\xfd\xfc" * 10,
}


@each(("what", "content"), STRANGERS.items(), ids=list(STRANGERS))
def test_strangers_are_named(tmp_path: Path, what: str, content: bytes) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError, match=re.escape(what)) as caught:
        open_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (LFS, "Run `git lfs pull`."),
        (PAGE, "The download failed: fetch the file itself, not its page."),
        (b"", "The write was interrupted, or the disk was full: use an earlier checkpoint."),
        (b"\0" * 50, "The write was interrupted, or the disk was full: use an earlier checkpoint."),
        (b'{"a": 1}', "Look into it: it may be an error page."),
    ],
    ids=["lfs", "html", "empty", "zeros", "json"],
)
def test_strangers_come_with_a_remedy(tmp_path: Path, content: bytes, remedy: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError) as caught:
        open_checkpoint(path)
    assert caught.value.remedy == remedy


@each(
    "text",
    [
        "Sieben Zwerge, äöü\n",
        "x" * 5000,
        "I1\n.",
        "S'a pickle of a text'\n.",
        "N.",
        "cat\tdog\n",
        "a.",
    ],
)
def test_text_is_text_even_where_it_is_a_pickle_by_accident(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.pth"
    path.write_text(text)
    with pytest.raises(UnknownFormatError, match="a text file"):
        open_checkpoint(path)


def test_a_pickle_of_protocol_0_is_a_pickle_although_it_is_text(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({"epoch": 3, "loss": 0.5}, 0))
    checkpoint = open_checkpoint(path)
    assert (checkpoint.format, checkpoint.scalars) == ("pickle", {"epoch": 3, "loss": 0.5})


def test_a_malicious_pickle_of_protocol_0_is_not_taken_for_text(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    (call,) = open_checkpoint(path).calls
    assert call.call == "os.system('touch owned')"


# -- what is no file -----------------------------------------------------------------------------


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="not a checkpoint but a folder"):
        open_checkpoint(tmp_path)


def test_a_fifo_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UnknownFormatError, match="a FIFO"):
        open_checkpoint(tmp_path / "fifo")


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(UnknownFormatError, match="a socket"):
            open_checkpoint("socket")


def test_a_device_is_named() -> None:
    with pytest.raises(UnknownFormatError, match="a device"):
        open_checkpoint(os.devnull)


@pytest.mark.parametrize("name", ["missing.pth", "dangling.pth"])
def test_what_is_missing_stays_a_file_not_found_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "dangling.pth").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / name)


def test_a_link_is_followed(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", {"w": torch.ones(2)})
    (tmp_path / "last.pth").symlink_to("a.pth")
    checkpoint = open_checkpoint(tmp_path / "last.pth")
    assert checkpoint.path == tmp_path / "last.pth"
    assert checkpoint.identity.inode == (tmp_path / "a.pth").stat().st_ino


def test_an_open_file_is_closed_whatever_happens(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\xff")
    with contextlib.suppress(UnknownFormatError), opened(tmp_path / "a.pth") as file:
        fd = file.fd
        assert os.fstat(fd).st_size == 1
        read_checkpoint(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", {"w": torch.ones(2)})
    assert open_checkpoint(str(path)).format == "torch-zip"


# -- damaged pickles -----------------------------------------------------------------------------


@each(
    ("content", "error"),
    [
        (b"\x80\x04\x95", TruncatedCheckpointError),
        (b"\x80\x02}q\x00X\x05\x00\x00\x00epo", TruncatedCheckpointError),
        (b"\x80\x02\xff.", CorruptCheckpointError),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", LimitExceededError),
        (b"\xffctorch\n", UnknownFormatError),
        (b"ctorch\nFloatStorage\n\xff", CorruptCheckpointError),
    ],
)
def test_damaged_pickles_are_told_apart(
    tmp_path: Path, content: bytes, error: type[CheckpointError]
) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        open_checkpoint(path)
    assert type(caught.value) is error


def test_limits_are_those_of_the_caller(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", list(range(100)))
    checkpoint = open_checkpoint(path, Limits(leaves=10))
    assert [problem.code for problem in checkpoint.problems] == ["CD107"]
    assert 10 <= len(checkpoint.scalars) <= 11


# -- a first look --------------------------------------------------------------------------------


def test_files_that_look_like_checkpoints_are_known_by_their_head(tmp_path: Path) -> None:
    save(tmp_path / "zip", {"w": torch.ones(1)})
    save(tmp_path / "legacy", {"w": torch.ones(1)}, _use_new_zipfile_serialization=False)
    safetensors_file(tmp_path / "st", b"{}")
    for name in ("zip", "legacy", "st"):
        assert looks_like_checkpoint(tmp_path / name)


def test_others_do_not_look_like_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "zip").write_bytes(b"PK\x03\x04" + b"\0" * 60)
    os.mkfifo(tmp_path / "fifo")
    for name in ("text", "zip", "fifo", "."):
        assert not looks_like_checkpoint(tmp_path / name)
