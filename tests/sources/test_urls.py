"""URLs as paths: names, keys that are never shown, and what is not installed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import fsspec
import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.sources import path_of
from ckptdoctor.sources.urls import redacted, without_secrets
from tests.cli.support import run
from tests.sources.servers import Site, serving


def test_a_local_path_is_a_plain_one(tmp_path: Path) -> None:
    odd = tmp_path / "s3:" / "x"
    for text in ("checkpoints/x.pth", str(tmp_path), f"file://{tmp_path}/x.pth", str(odd)):
        assert type(path_of(text)) is type(Path())
    for text in ("a::b.pth", "it's::error::new", "runs/x://y.pth", "::", "1://x", "C:/x.pth"):
        assert type(path_of(text)) is type(Path())
    (tmp_path / "a::b").mkdir()
    assert path_of(f"{tmp_path}/a::b").is_dir()


def test_the_text_of_a_path_is_its_url_and_names_join_it() -> None:
    path = path_of("memory://bucket/run/x.pth")
    assert str(path) == "memory://bucket/run/x.pth"
    assert str(path.parent / "y.pth") == "memory://bucket/run/y.pth"
    assert (path.name, path.suffix, path.parent.name) == ("x.pth", ".pth", "run")
    assert path == path_of("memory://bucket/run/x.pth")
    assert str(pickle.loads(pickle.dumps(path))) == str(path)


def test_a_path_in_an_archive_shows_both(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("run/x.pth", b"x")
    chained = path_of(f"zip://run/x.pth::file://{archive}")
    assert str(chained.with_name("y.pth")) == f"zip://run/y.pth::file://{archive}"
    with pytest.raises(FileNotFoundError) as raised:
        path_of("zip://x.pth::memory://none.zip")
    assert raised.value.filename == "zip://x.pth::memory://none.zip"


def test_a_folder_lists_what_its_store_does() -> None:
    system = fsspec.filesystem("memory")
    system.pipe({"/listed/a.log": b"one\ntwo\n", "/listed/sub/b.txt": b"x"})
    folder = path_of("memory://listed")
    assert sorted(one.name for one in folder.iterdir()) == ["a.log", "sub"]
    assert (folder / "a.log").stat().st_size == 8
    assert (folder / "a.log").read_text() == "one\ntwo\n"
    assert (folder / "sub").is_dir()
    assert not (folder / "none").exists()
    with pytest.raises(OSError, match="only read"):
        (folder / "a.log").open("w")


def test_the_roots_of_two_servers_are_both_there(run_folder: Path) -> None:
    pytest.importorskip("aiohttp")
    for _ in range(2):
        with serving(run_folder) as site:
            found = path_of(f"{site.url}/")
            assert found.is_dir()
            assert {one.name for one in found.iterdir()} >= {"unet_epoch_0.pth", "train.log"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host/x.pth", "https://me:…@host/x.pth"),
        ("https://host/x.pth?X-Amz-Signature=secret", "https://host/x.pth?…"),
        ("zip://x::https://host/a.zip?sig=secret", "zip://x::https://host/a.zip?…"),
        ("s3://bucket/what?.pth", "s3://bucket/what?.pth"),
        ("abfs://box@account/x", "abfs://box@account/x"),
    ],
)
def test_keys_in_a_url_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_keys_in_a_message_are_not_shown() -> None:
    said = without_secrets("403, url='https://me:secret@host/x?sig=secret'\nand more")
    assert "secret" not in said
    assert "\n" not in said


def test_no_output_holds_the_key_of_a_url(site: Site) -> None:
    url = f"{site.url}/run/unet_epoch_0.pth?token=Secret1"
    for command in (["scan"], ["inspect"], ["plan"], ["scan", "--format", "json"]):
        outcome = run(*command, url)
        assert outcome.code in (0, 1, 2, 3)
        assert "unet_epoch_0.pth" in outcome.stdout + outcome.stderr
        assert "Secret1" not in outcome.stdout + outcome.stderr
    assert any("token=Secret1" in path for _, path, _ in site.asked), "the server was given it"
    site.root = site.root / "run"
    gone = run("scan", url)
    assert "Secret1" not in gone.stderr


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "sarif", "html"])
@pytest.mark.one_in(6)
def test_no_output_holds_the_password_of_a_url(site: Site, form: str) -> None:
    """Also where the run has its name of the host, for its files lie in no folder there."""
    site.root = site.root / "run"
    root = site.url.replace("http://", "http://bob:Secret1@x@")
    for where in (f"{root}/", f"{root}/unet_epoch_0.pth"):
        outcome = run("scan", where, "--format", form)
        assert outcome.code in (0, 1)
        assert "unet_epoch_0.pth" in outcome.stdout
        assert not {"Secret1", "@x@", "ckptdoctor-"} & {
            one for one in ("Secret1", "@x@", "ckptdoctor-") if one in outcome.stdout
        }
        assert "Secret1" not in outcome.stderr


def test_what_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    for url, extra in (("s3://b/x", "s3"), ("gs://b/x", "gcs"), ("hf://u/m/x", "hf")):
        with pytest.raises(UsageError, match=rf"pip install 'ckptdoctor\[{extra}\]'"):
            path_of(url)


@pytest.mark.parametrize("kind", ["simplecache", "filecache", "blockcache", "cached"])
def test_caches_of_fsspec_are_refused_with_the_url_to_give(kind: str) -> None:
    with pytest.raises(UsageError) as met:
        path_of(f"{kind}::https://me:secret@host/x.pth?key=1")
    assert "give the URL behind it, https://me:…@host/x.pth?…" in str(met.value)
    assert "secret" not in str(met.value)


def test_a_kind_of_url_that_nobody_knows_is_a_usage_error() -> None:
    outcome = run("scan", "nope://bucket/x.pth")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.count("\n") == 1
    assert "no such kind of URL is known: nope" in outcome.stderr
