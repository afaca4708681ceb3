"""The watch of a folder behind a URL: what a look costs, and what it lives through.

The store of most tests is fsspec's in memory; what depends on S3 is asked of moto's server.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from ckptdoctor.cache.memory import memory_for
from ckptdoctor.runs.wish import Wish
from ckptdoctor.sources import path_of
from ckptdoctor.sources.far_file import FarFile
from ckptdoctor.sources.store import Store
from ckptdoctor.watch.afar import Afar
from ckptdoctor.watch.events import Event, EventKind
from ckptdoctor.watch.watcher import Watcher, Watching
from tests.builders import save
from tests.cli.support import run
from tests.sources.buckets import s3_here

AT = 1_700_000_000.0


class Desk:
    """A run in a store, and a watch over it whose clocks the test moves."""

    def __init__(self, system: Any, root: str, url: str, scratch: Path) -> None:
        self.system, self.root, self.scratch = system, root, scratch
        self.folder = path_of(url)
        self.now = AT

    def put(self, name: str, data: bytes) -> None:
        self.system.pipe_file(f"{self.root}/{name}", data)

    def save(self, epoch: int, fill: float = 0.5) -> None:
        path = self.scratch / f"u_{epoch}.pth"
        save(path, {"epoch": epoch, "model": {"w": torch.full((64,), fill)}})
        self.put(path.name, path.read_bytes())

    def say(self, *epochs: int, iou: float = 0.5) -> None:
        lines = (f"Epoch {epoch}: Loss: 0.25 | IoU: {iou}\n" for epoch in epochs)
        self.put("train.log", "".join(lines).encode())

    def start(self, **how: Any) -> list[Event]:
        self.afar = Afar(self.folder, 30.0)
        self.watcher = Watcher(
            Watching(
                folder=self.folder,
                interval_s=30.0,
                afar=self.afar,
                clock=lambda: self.now,
                steady=lambda: self.now - AT,
                **how,
            )
        )
        return list(self.watcher.start())

    def look(self, times: int = 1) -> list[Event]:
        found: list[Event] = []
        for _ in range(times):
            self.now += 31
            found += self.watcher.poll()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    system = fsspec.filesystem("memory")
    name = f"watched-{tmp_path.name}"
    yield Desk(system, f"/{name}/run", f"memory://{name}/run", tmp_path)
    if system.exists(f"/{name}"):
        system.rm(f"/{name}", recursive=True)


def told(events: list[Event]) -> list[tuple[EventKind, str]]:
    return [(one.kind, one.message) for one in events]


def kinds(events: list[Event]) -> list[EventKind]:
    return [one.kind for one in events]


def test_new_and_changed_objects_are_judged_as_files_are(desk: Desk) -> None:
    desk.save(0)
    desk.say(0)
    (first,) = desk.start()
    assert first.message == (
        f"watching {desk.folder}: 1 checkpoint, last good u_0.pth, log train.log at epoch 0"
    )
    assert desk.look(2) == []
    desk.save(1, float("nan"))
    events = [one for one in desk.look(2) if one.kind is EventKind.CHECKPOINT]
    assert [one.code for one in events] == ["CD201"]
    assert str(events[0].path) == f"{desk.folder}/u_1.pth"
    desk.save(1)
    assert [one.severity for one in desk.look(2)] == [None], "replaced, and sound by now"
    desk.system.rm(f"{desk.root}/u_1.pth")
    assert desk.look(2) == []
    assert not (desk.folder / "u_1.pth").exists()


def test_a_log_that_begins_as_it_did_has_grown_and_another_is_written_anew(desk: Desk) -> None:
    desk.say(0, 1)
    desk.start()
    desk.say(0, 1, 2, 3)
    grown = desk.look(2)
    assert [one.epoch for one in grown if one.kind is EventKind.EPOCH] == [2, 3]
    assert EventKind.NOTE not in kinds(grown)
    desk.say(0, iou=0.7)
    rewritten = desk.look(2)
    assert rewritten[0].message == "train.log was written anew"
    assert 0 in [one.epoch for one in rewritten if one.kind is EventKind.EPOCH]


def test_a_log_whose_ends_are_the_same_and_whose_middle_is_not_is_another(desk: Desk) -> None:
    lines = [f"Epoch {epoch}: Loss: 0.25 | IoU: 0.500\n" for epoch in range(100)]
    desk.put("train.log", "".join(lines).encode())
    desk.start()
    lines[50] = lines[50].replace("0.500", "0.700")
    desk.put("train.log", "".join([*lines, "Epoch 100: Loss: 0.25 | IoU: 0.5\n"]).encode())
    assert "train.log was written anew" in [one.message for one in desk.look()]


def test_what_has_not_changed_is_neither_listed_twice_nor_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        desk.put(f"checkpoint-{at}/trainer_state.json", b'{"epoch": 1}')
        desk.put(f"checkpoint-{at}/config.json", b"{}")
    desk.save(0)
    desk.say(0)
    desk.start()
    asked: list[str] = []
    for of, name in ((Store, "below"), (Store, "listed"), (Store, "described"), (Store, "read")):
        whole = getattr(of, name)

        def counted(self: Store, *a: Any, whole: Any = whole, name: str = name, **o: Any) -> Any:
            asked.append(name)
            return whole(self, *a, **o)

        monkeypatch.setattr(of, name, counted)
    desk.look(3)
    assert asked == ["below"] * 3
    opened: list[FarFile] = []
    monkeypatch.setattr(FarFile, "read_into", lambda self, *_: opened.append(self), raising=True)
    desk.look(2)
    assert opened == []


def test_a_folder_that_is_not_there_yet_and_one_that_goes_and_comes_back(desk: Desk) -> None:
    events = desk.start()
    assert told(events)[1:] == [(EventKind.NOTE, f"{desk.folder} is not there yet; waiting for it")]
    desk.save(0)
    came = desk.look(2)
    assert kinds(came) == [EventKind.NOTE, EventKind.CHECKPOINT]
    assert came[0].message == f"{desk.folder} is back"
    desk.system.rm(desk.root, recursive=True)
    assert [one.message for one in desk.look(2)] == [f"{desk.folder} is gone; waiting for it"]


def test_trouble_is_said_once_waited_out_and_is_no_silence_of_the_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(0)
    desk.start()
    desk.watcher._pace.learn([60.0] * 9)
    whole, asked = Store.below, []

    def busy(self: Store, path: str) -> Any:
        asked.append(path)
        raise OSError(errno.EIO, "the server answers 503 (5 attempts)")

    monkeypatch.setattr(Store, "below", busy)
    events = desk.look(100)
    assert len(events) == 1
    assert events[0].message == (
        f"{desk.folder} cannot be listed: the server answers 503 (5 attempts); asked again later, "
        "and the watch goes on"
    )
    assert 5 <= len(asked) <= 12, "ever later, and never later than ten minutes"
    monkeypatch.setattr(Store, "below", whole)
    after = desk.look(25)
    assert after[0].message == f"{desk.folder} can be listed again"
    assert [one.code for one in after[1:]] == ["CD409"], "now it is known that nothing came"


def test_what_cannot_be_asked_for_at_first_is_begun_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(0, float("nan"))
    whole = Store.below

    def away(*_: object) -> Any:
        raise OSError(errno.EIO, "Connect timeout")

    monkeypatch.setattr(Store, "below", away)
    assert kinds(desk.start()) == [EventKind.NOTE]
    monkeypatch.setattr(Store, "below", whole)
    events = desk.look(3)
    assert kinds(events)[-2:] == [EventKind.START, EventKind.CHECKPOINT]
    assert events[-1].known, "it was there before, and is no alert"


def test_a_store_that_took_long_to_fail_is_not_asked_again_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    now = 0.0

    def hangs(*_: object) -> Any:
        nonlocal now
        asked.append(now)
        now += 120.0
        raise OSError(errno.EIO, "no answer within 60 s (2 attempts)")

    monkeypatch.setattr(Store, "below", hangs)
    afar = Afar(desk.folder, 30.0, lambda: now)
    afar.begin(now, [])
    assert "no answer within 60 s" in afar.look(now, [])
    now += 61.0
    assert afar.look(now, []) == "", "told once"
    assert asked == [0.0, 181.0]
    now += 61.0
    afar.look(now, [])
    assert asked == [0.0, 181.0], "and later each time"


def test_a_log_by_url_is_asked_for_at_each_look_without_its_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    desk.say(0)
    log = desk.folder / "train.log"
    desk.folder = here
    monkeypatch.setattr(Store, "listed", lambda *_: pytest.fail("a listing"))
    desk.start(wish=Wish(logs=(log,)))
    desk.say(0, 1)
    assert [one.epoch for one in desk.look(2)] == [1]
    desk.system.rm(f"{desk.root}/train.log")
    assert [one.message for one in desk.look()] == ["train.log is gone; waiting for it"]


def test_keys_that_are_no_names_here_are_left_out(desk: Desk) -> None:
    desk.save(0)
    desk.start()
    above = Path(desk.folder.parent.__fspath__())
    for name in ("../up.pth", "a/../../b.pth", "./c.pth", "a//d.pth", "x" * 300 + ".pth"):
        desk.system.store[f"{desk.root}/{name}"] = desk.system.store[f"{desk.root}/u_0.pth"]
    for name in ("e f.pth", "%2e%2e.pth", "é.pth"):
        desk.system.pipe_file(f"{desk.root}/{name}", b"x")
    try:
        desk.look()
    finally:
        for key in [key for key in desk.system.store if ".." in key or "//" in key]:
            desk.system.store.pop(key)
    there = {one.name for one in above.rglob("*") if one.is_file()}
    assert there >= {"u_0.pth", "e f.pth", "%2e%2e.pth", "é.pth"}
    assert not {"up.pth", "b.pth", "d.pth"} & there


def test_the_command_refuses_a_web_server_that_lists_nothing(run_site: str) -> None:
    page = run("watch", f"{run_site}/page/", "--once")
    assert page.code == 2
    assert (
        "the server lists no files there, so that no new one is seen; scan each by its name:"
        in (page.stderr)
    )
    assert f"ckptdoctor scan {run_site}/page/NAME.pth" in page.stderr


def test_one_look_at_a_web_server_that_lists(run_site: str) -> None:
    outcome = run("watch", f"{run_site}/run", "--once", "--format", "jsonl")
    first = json.loads(outcome.stdout.splitlines()[0])
    assert outcome.code == 0, outcome.stderr
    assert first["message"].startswith(f"watching {run_site}/run: 1 checkpoint, last good u_0.pth")


@pytest.fixture(scope="module")
def run_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.sources.servers import serving

    pytest.importorskip("aiohttp")
    root = tmp_path_factory.mktemp("site")
    for name in ("run", "page"):
        (root / name).mkdir()
    save(root / "run" / "u_0.pth", {"epoch": 0, "model": {"w": torch.ones(64)}})
    with serving(root) as site:
        site.pages = {"/page/": b"<title>Welcome</title>"}
        yield site.url


def test_a_listing_in_another_order_is_no_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in range(2):
        desk.save(epoch)
    desk.start()
    whole, before = Store.below, desk.afar.changes

    def turned(self: Store, path: str) -> Any:
        return dict(reversed(whole(self, path).items()))

    monkeypatch.setattr(Store, "below", turned)
    assert desk.look(3) == []
    assert desk.afar.changes == before


@pytest.fixture
def s3_desk(tmp_path: Path) -> Iterator[Desk]:
    with s3_here() as system:
        bucket = f"b-{tmp_path.name.replace('_', '-')}".lower()[:60]
        system.mkdir(bucket)
        yield Desk(system, f"{bucket}/run", f"s3://{bucket}/run", tmp_path)


@pytest.mark.slow
def test_an_object_that_is_replaced_between_list_and_reading_is_judged_as_it_is_then(
    s3_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = s3_desk
    desk.save(0)
    desk.start()
    desk.save(1)
    assert desk.look() == []
    whole, todo = Store.below, [float("nan")]

    def then_replaced(self: Store, path: str) -> Any:
        found = whole(self, path)
        if todo:
            desk.save(1, todo.pop())
        return found

    monkeypatch.setattr(Store, "below", then_replaced)
    assert desk.look() == [], "neither of the two was read from end to end"
    assert [one.code for one in desk.look(4)] == ["CD201"]


@pytest.mark.slow
def test_a_list_of_many_pages_and_an_upload_in_parts(
    s3_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    desk = s3_desk
    for at in range(7):
        desk.put(f"samples/{at}.png", b"x")
    desk.save(0)
    (first,) = desk.start()
    assert first.message.startswith(f"watching {desk.folder}: 1 checkpoint, last good u_0.pth")
    path = desk.scratch / "u_9.pth"
    save(path, {"epoch": 9, "model": {"w": torch.full((64,), float("nan"))}})
    bucket, _, key = f"{desk.root}/{path.name}".partition("/")
    whole = {"Bucket": bucket, "Key": key}
    upload = desk.system.call_s3("create_multipart_upload", **whole)["UploadId"]
    part = desk.system.call_s3(
        "upload_part", **whole, UploadId=upload, PartNumber=1, Body=path.read_bytes()
    )
    assert desk.look(3) == [], "nobody sees it before its last part is there"
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    desk.system.call_s3(
        "complete_multipart_upload", **whole, UploadId=upload, MultipartUpload=parts
    )
    assert [one.code for one in desk.look(2)] == ["CD201"]


@pytest.mark.slow
def test_a_bucket_is_one_listing_a_look_and_nothing_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("CKPTDOCTOR_NO_CACHE", "")
    monkeypatch.setenv("CKPTDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with s3_here() as system:
        system.mkdir("watched")
        desk = Desk(system, "watched/x/run", "s3://watched/x/run/", tmp_path)
        for epoch in range(3):
            desk.save(epoch)
        desk.say(0, 1, 2)
        desk.put("sub/", b"")
        asked: list[tuple[str, str]] = []
        whole = s3fs.S3FileSystem._call_s3

        async def counted(self: Any, method: str, *a: Any, **o: Any) -> Any:
            asked.append((method, o.get("Key", "")))
            return await whole(self, method, *a, **o)

        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
        with memory_for(wanted=True) or pytest.fail("no memory") as memory:
            desk.start(memory=memory)
            read = [key for method, key in asked if method == "get_object"]
            assert sorted(read) == sorted(set(read)), "each is read once, the log as well"
            asked.clear()
            desk.look(4)
            assert asked == [("list_objects_v2", "")] * 4
            monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", whole)
            desk.save(3)  # of the same size as the others
            desk.save(1, float("nan"))
            monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
            asked.clear()
            events = desk.look(2)
            assert sorted(one.code for one in events) == ["", "CD201"]
            fresh = {key for method, key in asked if method == "get_object"}
            assert fresh == {"x/run/u_3.pth", "x/run/u_1.pth"}, "the last good one is remembered"
