"""What is said of far files is what is said of the same files here."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest

import ckptdoctor
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.report import Report
from tests.cli.support import run
from tests.layouts.folders import TWINS
from tests.sources.servers import Site, serving

_numbers = itertools.count()

SEVERAL_FILES = ("transformers-shards", "transformers-fsdp", "deepspeed-zero3", "nemo", "pairs")
"""A layout of each kind: an index, a DCP, shares of ranks, an archive, and names alone."""


def uploaded(folder: Path) -> str:
    """A folder in fsspec's memory, by its URL."""
    url = f"memory://bucket{next(_numbers)}/{folder.name}"
    fsspec.filesystem("memory").put(str(folder), url, recursive=True)
    return url


def told(report: Report, root: str) -> Any:
    """A report as JSON, its folder left out."""
    return json.loads(without_last_slash(scan_json(report)).replace(root, "ROOT"))


def without_last_slash(text: str) -> str:
    """JSON whose commands name a folder of a web server as one of this machine."""
    return re.sub(r'("next": ".*)/(?=",)', r"\1", text)


@pytest.mark.parametrize("name", SEVERAL_FILES)
@pytest.mark.one_in(2)
def test_a_folder_of_several_parts_is_judged_as_it_is_here(tmp_path: Path, name: str) -> None:
    layout = next(one for one in TWINS if one.name == name)
    root = tmp_path / "run"
    root.mkdir()
    layout.build(root)
    url = uploaded(root)
    here, there = ckptdoctor.scan(root), ckptdoctor.scan(url)
    assert told(there, url) == told(here, str(root))
    assert [str(one.path) for one in there.checkpoints]


@pytest.mark.parametrize("name", ["transformers-shards", "deepspeed-zero3", "pairs"])
@pytest.mark.one_in(3)
def test_a_folder_of_several_parts_is_restored_as_it_is_here(tmp_path: Path, name: str) -> None:
    root = tmp_path / "run"
    root.mkdir()
    next(one for one in TWINS if one.name == name).build(root)
    url = uploaded(root)
    for source, output in ((root, tmp_path / "here"), (url, tmp_path / "there")):
        ckptdoctor.restore(source, output=output)
    assert contents_below(tmp_path / "there") == contents_below(tmp_path / "here")


def contents_below(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but for the notes that name a source."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and b'"name": "ckptdoctor"' not in path.read_bytes()
    }


def test_a_run_with_its_log_is_judged_as_it_is_here(run_folder: Path) -> None:
    url = uploaded(run_folder)
    here, there = ckptdoctor.scan(run_folder), ckptdoctor.scan(url)
    assert told(there, url) == told(here, str(run_folder))
    assert str(there.runs[0].logs[0]) == f"{url}/train.log"


def test_a_pattern_means_the_files_that_it_means_here(run_folder: Path) -> None:
    url = uploaded(run_folder)
    found = ckptdoctor.scan(f"{url}/*_[01].pth")
    assert [str(one.path) for one in found.checkpoints] == [
        f"{url}/unet_epoch_{epoch}.pth" for epoch in (0, 1)
    ]
    deep = ckptdoctor.scan(f"{url.rpartition('/')[0]}/**/unet_epoch_2.pth")
    assert [str(one.path) for one in deep.checkpoints] == [f"{url}/unet_epoch_2.pth"]


def test_files_in_a_zip_file_are_judged_where_they_lie(tmp_path: Path, run_folder: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in run_folder.iterdir():
            archive.write(file, f"run/{file.name}")
    url = f"zip://run::file://{tmp_path}/all.zip"
    there = ckptdoctor.scan(url)
    verdicts = [one.verdict.value for one in there.checkpoints]
    assert verdicts == [one.verdict.value for one in ckptdoctor.scan(run_folder).checkpoints]
    assert str(there.checkpoints[0].path) == (
        f"zip://run/unet_epoch_0.pth::file://{tmp_path}/all.zip"
    )


def test_a_web_server_is_asked_for_a_file_and_for_a_folder(site: Site, run_folder: Path) -> None:
    here = ckptdoctor.scan(run_folder)
    there = ckptdoctor.scan(f"{site.url}/run/")
    assert told(there, f"{site.url}/run") == told(here, str(run_folder))
    one = ckptdoctor.scan(f"{site.url}/run/unet_epoch_2.pth")
    assert [finding.code for finding in one.checkpoints[0].findings] == ["CD201"]


@pytest.mark.parametrize(
    "command",
    ["scan", "rank", "history", "plan", "inspect", "diff"],
)
@pytest.mark.one_in(3)
def test_every_command_shows_urls_and_no_mirror(command: str, site: Site) -> None:
    paths = {
        "inspect": [f"{site.url}/run/unet_epoch_0.pth"],
        "diff": [f"{site.url}/run/unet_epoch_{epoch}.pth" for epoch in (0, 1)],
    }.get(command, [f"{site.url}/run/"])
    for form in ([], ["--format", "json"]):
        outcome = run(command, *paths, *form)
        assert outcome.code in (0, 1), outcome.stderr
        assert not form or site.url in outcome.stdout
        assert "ckptdoctor-" not in outcome.stdout + outcome.stderr


def test_the_next_command_for_a_folder_of_a_web_server_works(site: Site) -> None:
    """Without a slash at its end it would be a file there."""
    told = run("scan", f"{site.url}/run/")
    (words,) = re.findall(r"Next: +ckptdoctor (.*)", told.stdout)
    assert words == f"plan {site.url}/run/"
    assert "unet_epoch_1.pth" in run(*words.split()).stdout


def test_what_is_not_there_is_said_by_its_url(site: Site) -> None:
    outcome = run("scan", f"{site.url}/run/none.pth")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert f"{site.url}/run/none.pth: no such file or folder" in outcome.stderr


def test_a_second_scan_reads_no_tensor_again(site: Site, tmp_path: Path) -> None:
    env = {"CKPTDOCTOR_CACHE_DIR": str(tmp_path / "cache"), "CKPTDOCTOR_NO_CACHE": ""}
    first = run("scan", f"{site.url}/run/", "--format", "json", env=env)
    sent = site.sent
    again = run("scan", f"{site.url}/run/", "--format", "json", env=env)
    assert again.json == first.json
    assert site.sent - sent < 1000, "the log is read, and no checkpoint"
    site.etag = '"two"'
    run("scan", f"{site.url}/run/", env=env)
    assert site.sent > 2 * sent - 1000


def _run_below(root: Path, run_folder: Path, name: str) -> Path:
    folder = root / name / "checkpoints"
    folder.mkdir(parents=True)
    for one in run_folder.glob("*.pth"):
        (folder / one.name).write_bytes(one.read_bytes())
    return folder


@pytest.mark.parametrize("has_rival", [False, True])
def test_logs_of_the_folder_above_are_read_from_a_web_server_as_here(
    run_folder: Path, tmp_path: Path, has_rival: bool
) -> None:
    """A log that names no run is nobody's where another run lies beside."""
    pytest.importorskip("aiohttp")
    folder = _run_below(tmp_path, run_folder, "a")
    log = folder.parent / "training.log"
    log.write_bytes((run_folder / "train.log").read_bytes())
    if has_rival:
        folder.rename(folder := folder.with_name("a_checkpoints"))
        _run_below(tmp_path / "a", run_folder, "b")
    here = scan_json(ckptdoctor.scan(folder))
    assert ("training.log" in here) is not has_rival
    with serving(tmp_path) as site:
        there = without_last_slash(scan_json(ckptdoctor.scan(f"{site.url}/a/{folder.name}/")))
        assert there == here.replace(str(tmp_path), site.url)
        heads = [path for method, path, _ in site.asked if method == "HEAD" and "/b/" in path]
        assert not heads, "files of other runs are counted by their names"


def test_a_server_that_does_not_list_the_folder_above_is_not_complained_of(
    run_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp")
    folder = _run_below(tmp_path, run_folder, "a")
    here = scan_json(ckptdoctor.scan(folder))
    with serving(tmp_path) as site:
        site.forbidden = "/a/"
        there = without_last_slash(scan_json(ckptdoctor.scan(f"{site.url}/a/checkpoints/")))
        assert there == here.replace(str(tmp_path), site.url)
        assert any(path == "/a/" for _, path, _ in site.asked)
