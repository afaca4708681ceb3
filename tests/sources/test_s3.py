"""A real S3 protocol on this machine: moto's server, asked by s3fs."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch

import ckptdoctor
from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.sources.far_path import far_path
from ckptdoctor.sources.store import Store
from tests.builders import save
from tests.cli.support import run
from tests.sources.buckets import s3_here, stage

pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")

pytestmark = pytest.mark.slow  # a server of its own, and botocore's 31 MB

MOST_NBYTES = 256_000


@pytest.fixture(scope="module")
def bucket(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bucket with the run in it, and a zip of 24 MB; the environment leads fsspec there."""
    with s3_here() as system:
        if not system.exists("bkt"):  # made anew where tests of others lay between
            system.mkdir("bkt")
        system.put(str(run_folder), "bkt/run", recursive=True)
        large = tmp_path_factory.mktemp("large") / "large.pth"
        save(large, {"model": {f"l{at}.weight": torch.rand(60_000) for at in range(100)}})
        system.put(str(large), "bkt/large/large.pth")
        yield system


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


@pytest.mark.parametrize("most", [32 << 20, 0])
def test_a_scan_asks_for_each_byte_once_and_for_nothing_else(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Before it is opened, or in ranges: the last range is that of the end, which came first."""
    monkeypatch.setattr("ckptdoctor.sources.far_file.WHOLE_NBYTES", most)
    here = ckptdoctor.scan("s3://bkt/large")
    asked: list[tuple[str, int]] = []
    whole = s3fs.S3FileSystem._call_s3

    async def counted(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        answer = await whole(self, method, *arguments, **options)
        asked.append((method, answer.get("ContentLength", 0)))
        return answer

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    again = ckptdoctor.scan("s3://bkt/large")
    assert again.checkpoints == here.checkpoints
    gets = [nbytes for method, nbytes in asked if method == "get_object"]
    # Folders are listed, and nobody asks whether an object changed.
    assert {method for method, _ in asked} == {"get_object", "list_objects_v2"}
    assert len(gets) == (2 if most else 2 + 3)
    assert sum(gets) <= here.checkpoints[0].nbytes + MOST_NBYTES


@pytest.mark.parametrize("most", [32 << 20, 0])
def test_an_object_that_is_replaced_meanwhile_is_told(
    bucket: Any, run_folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("ckptdoctor.sources.far_file.WHOLE_NBYTES", most)
    bucket.put(str(run_folder / "unet_epoch_0.pth"), f"bkt/moves{most}/unet_epoch_0.pth")
    path = far_path(f"s3://bkt/moves{most}/unet_epoch_0.pth")
    assert path.stat().st_size  # listed before it is replaced
    other = (run_folder / "unet_epoch_1.pth").read_bytes()
    assert len(other) == path.stat().st_size
    bucket.pipe_file(f"bkt/moves{most}/unet_epoch_0.pth", other)
    (one,) = examine([path]).checkpoints  # as in the call that listed it: another one lists anew
    assert "CD109" in {finding.code for finding in one.findings}


def test_restore_writes_a_copy_into_a_bucket(
    bucket: Any, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, far = run_folder / "unet_epoch_1.pth", "s3://bkt/clean/best.pth"
    asked: list[tuple[str, str, object]] = []
    whole = s3fs.S3FileSystem._call_s3

    async def noted(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        terms = self._get_s3_method_kwargs(
            getattr(await self.get_s3(), method), *arguments, **options
        )
        asked.append((method, str(terms.get("Key", "")), terms.get("IfNoneMatch")))
        return await whole(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", noted)
    ckptdoctor.restore(source=source, output=far)
    assert bucket.cat("bkt/clean/best.pth") == source.read_bytes()
    bucket.invalidate_cache()
    assert sorted(bucket.ls("bkt/clean", detail=False)) == [
        "bkt/clean/best.pth",
        "bkt/clean/best.pth.json",
    ]
    (copied,) = [one for one in asked if one[0] == "copy_object" and one[1] == "clean/best.pth"]
    assert copied[2] == "*"
    assert not [one for one in asked if one[:2] == ("put_object", "clean/best.pth")]
    with pytest.raises(RestoreError, match="exists and is not overwritten"):
        ckptdoctor.restore(source=source, output=far)
    ckptdoctor.restore(source=source, output=far, force=True)
    again = run("restore", "--from", source, "-o", far)
    assert again.code == 4
    assert f"{far} exists and is not overwritten" in again.stderr


def test_a_key_that_appears_while_it_is_copied_stays(
    bucket: Any, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As S3 answers; moto takes no notice of If-None-Match where an object is copied."""
    from botocore.exceptions import ClientError

    far, whole = "bkt/race/best.pth", s3fs.S3FileSystem._call_s3

    async def too_late(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "copy_object":
            await whole(self, "put_object", Bucket="bkt", Key="race/best.pth", Body=b"mine")
            assert any(one.get("IfNoneMatch") == "*" for one in arguments)
            answer = {"Error": {"Code": "PreconditionFailed", "Message": "If-None-Match"}}
            translated = s3fs.errors.translate_boto_error(
                ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": 412}}, "CopyObject")
            )
            raise translated
        return await whole(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", too_late)
    with pytest.raises(RestoreError, match="has appeared meanwhile"):
        ckptdoctor.restore(source=run_folder / "unet_epoch_1.pth", output=f"s3://{far}")
    bucket.invalidate_cache()
    assert bucket.ls("bkt/race", detail=False) == [far]
    assert bucket.cat(far) == b"mine"


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_a_bucket_with_a_mistaken_name_is_said_and_not_waited_for(
    bucket: Any, command: str
) -> None:
    outcome = run(command, "s3://no-such-bucket/run")
    assert outcome.code == 3
    assert outcome.stderr == (
        "ckptdoctor: s3://no-such-bucket/run: no such bucket: s3://no-such-bucket\n"
    )


def test_what_cannot_be_a_bucket_is_refused(bucket: Any) -> None:
    outcome = run("watch", "s3://")
    assert outcome.code == 2
    assert "s3://: name a folder" in outcome.stderr
    outcome = run("watch", "s3://key:SecretOfTheTest@bkt/run")
    assert outcome.code == 2
    assert "no bucket and no object can have such a name" in outcome.stderr
    assert "SecretOfTheTest" not in outcome.stderr


@pytest.mark.parametrize("ask", ["below", "listed", "described", "read"])
def test_a_store_that_takes_questions_and_answers_none_is_left(
    ask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckptdoctor.sources.s3._SILENT_S", 0.2)
    monkeypatch.setattr("ckptdoctor.sources.store._PATIENCE_S", 0.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        given = s3fs.S3FileSystem(
            key="x",
            secret="SecretOfTheTest",
            endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            skip_instance_cache=True,
        )
        store = Store(given, "s3")
        terms = (0, 10) if ask == "read" else ()
        with pytest.raises(OSError, match=r"^\[Errno \d+\] no answer within 0 s$"):
            getattr(store, ask)("bkt/run", *terms)
    assert "_call_s3" not in vars(given), "that of whoever opened it waits as long as before"


def test_each_folder_is_listed_once_and_none_that_is_not_there(
    bucket: Any, run_folder: Path
) -> None:
    """A run, its log, and two runs beside: what lies where is in two lists."""
    for name in ("a", "b", "c"):
        bucket.put(str(run_folder), f"bkt/beside/{name}/checkpoints", recursive=True)
    bucket.invalidate_cache()
    stage.asked.clear()
    report = ckptdoctor.scan("s3://bkt/beside/a/checkpoints")
    assert [str(one) for one in report.runs[0].logs] == ["s3://bkt/beside/a/checkpoints/train.log"]
    listed = sorted(unquote(asked) for what, asked in stage.asked if what == "list")
    assert [re.findall(r"prefix=([^&]*)", one) for one in listed] == [
        ["beside/a/"],
        ["beside/a/checkpoints/"],
    ]
    stage.asked.clear()
    whole = ckptdoctor.scan("s3://bkt/beside")
    assert len(whole.runs) == 3
    folders = re.findall(r"prefix=([^&]*)", " ".join(unquote(one) for _, one in stage.asked))
    assert len(folders) == len(set(folders)) <= 2 + 3 * 2, folders
