"""A real S3 protocol on this machine: moto's server, asked by s3fs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ckptdoctor
from tests.builders import save
from tests.cli.support import run

moto_server = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")

MOST_NBYTES = 256_000


@pytest.fixture(scope="module")
def bucket(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bucket with the run in it, and a zip of 24 MB; the environment leads fsspec there."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "KeyOfTheTest")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "SecretOfTheTest")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = s3fs.S3FileSystem()
        system.mkdir("bkt")
        system.put(str(run_folder), "bkt/run", recursive=True)
        large = tmp_path_factory.mktemp("large") / "large.pth"
        save(large, {"model": {f"l{at}.weight": torch.rand(60_000) for at in range(100)}})
        system.put(str(large), "bkt/large/large.pth")
        yield system
    server.stop()


def test_a_run_in_a_bucket_is_judged_as_it_is_here(bucket: Any, run_folder: Path) -> None:
    here = run("scan", run_folder, "--format", "json")
    there = run("scan", "s3://bkt/run", "--format", "json")
    assert there.code == here.code
    assert there.stdout == here.stdout.replace(str(run_folder), "s3://bkt/run")


def test_three_requests_describe_a_file_in_a_bucket(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    whole = s3fs.S3FileSystem._call_s3

    async def counted(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        answer = await whole(self, method, *arguments, **options)
        sent = answer.get("ContentLength", 0) if method == "get_object" else 0
        asked.append((method, sent))
        return answer

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    found = ckptdoctor.open_checkpoint("s3://bkt/large/large.pth")
    assert len(found.tensors) == 100
    assert sum(sent for _, sent in asked) <= MOST_NBYTES
    assert len(asked) <= 3, asked


def test_a_bucket_that_is_not_there(bucket: Any) -> None:
    outcome = run("scan", "s3://no-such-bucket/x.pth")
    assert outcome.code == 3
    assert "s3://no-such-bucket/x.pth" in outcome.stderr
    assert "SecretOfTheTest" not in outcome.stderr
