"""A store that takes questions and answers none: what is written there ends, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.__main__ import run as ckptdoctor
from tests.builders import save
from tests.sources.buckets import s3_here, stage

pytest.importorskip("moto.server")
pytest.importorskip("s3fs")

pytestmark = pytest.mark.slow  # a server of its own, and botocore's 31 MB

STEPS = ("begin", "part", "complete", "copy", "delete", "get", "head", "list")
"""What an upload in parts, its copy and its check ask for."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with s3_here() as system:
        if not system.exists("silent"):
            system.mkdir("silent")
        yield system


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 12 MB: more than what lies between two sockets."""
    path = tmp_path_factory.mktemp("silent") / "unet.pth"
    return save(path, {"model": {f"l{at}.weight": torch.rand(1000, 1000) for at in range(3)}})


@pytest.fixture(autouse=True)
def _a_short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ckptdoctor.sources.s3._SILENT_S", 0.5)
    monkeypatch.setattr("ckptdoctor.sources.s3._COPIED_S", 0.5)
    monkeypatch.setattr("ckptdoctor.sources.s3._PART_NBYTES", 5 << 20)
    monkeypatch.setattr("ckptdoctor.sources.store._PATIENCE_S", 0.0)


def keys(bucket: Any, folder: str) -> list[str]:
    bucket.invalidate_cache()
    return sorted(bucket.find(folder)) if bucket.exists(folder) else []


@pytest.mark.parametrize("step", STEPS)
def test_a_copy_to_a_store_that_falls_silent_ends(
    bucket: Any, source: Path, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is under its name, but where all was done before the store fell silent."""
    folder, far = f"silent/{step}", f"s3://silent/{step}/best.pth"
    stage.asked.clear()
    with stage.is_silent(step):
        code = ckptdoctor(["restore", "--from", str(source), "-o", far])
    said = capsys.readouterr().err
    assert code == 4, said
    assert step in {asked for asked, _ in stage.asked}
    there = keys(bucket, folder)
    passing = [key for key in there if key.endswith(".tmp")]
    if step == "delete":
        assert f"{far} is written, verified and whole, but: s3://{passing[0]} is left" in said
        assert there == [*passing, far.removeprefix("s3://")]
        assert bucket.cat(far) == source.read_bytes()
    else:
        assert said == f"ckptdoctor: nothing was written: {far}: no answer within 0 s\n"
        assert there == []
    assert ckptdoctor(["restore", "--from", str(source), "-o", far, "--force"]) == 0
    assert bucket.cat(far) == source.read_bytes()


def test_a_copy_that_was_made_though_nobody_said_so_is_found(
    bucket: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = type(bucket)._call_s3

    async def unanswered(self: Any, method: str, *terms: Any, **named: Any) -> Any:
        answer = await whole(self, method, *terms, **named)
        if method == "copy_object":
            raise ConnectionError("cut")
        return answer

    monkeypatch.setattr(type(bucket), "_call_s3", unanswered)
    assert ckptdoctor(["restore", "--from", str(source), "-o", "s3://silent/cut/best.pth"]) == 0
    assert keys(bucket, "silent/cut") == ["silent/cut/best.pth", "silent/cut/best.pth.json"]


def test_an_upload_that_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes: some of it is sent between one look and the next."""
    from ckptdoctor.sources.s3 import _heard, _Moving

    async def slow(body: _Moving, pauses: int) -> str:
        for _ in range(pauses):
            body.read(1)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.0 if pauses > 1 else 60.0)
        return "done"

    body = _Moving(b"much")
    assert asyncio.run(_heard(slow(body, 50), body, 0.1)) == "done"
    with pytest.raises(ConnectionError, match="no answer"):
        asyncio.run(_heard(slow(body, 1), body, 0.1))


def test_a_file_of_any_size_goes_up_in_parts_that_s3_takes() -> None:
    from ckptdoctor.sources.s3 import part_nbytes

    for nbytes in (1, 10**9, 5 * 2**40):
        each = part_nbytes(nbytes)
        assert 5 << 20 <= each <= 5 << 30
        assert each * 10_000 >= nbytes
