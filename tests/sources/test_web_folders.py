"""Folders of web servers, whatever their pages look like, and named with a slash or not."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import ckptdoctor
from ckptdoctor.sources import path_of
from ckptdoctor.sources.web import _links
from tests.cli.support import Outcome, run
from tests.each import assert_each, each
from tests.sources.servers import serving

pytest.importorskip("aiohttp")

NGINX = (
    "<html>\r\n<head><title>Index of {at}</title></head>\r\n<body>\r\n<h1>Index of {at}</h1><hr>"
    '<pre><a href="../">../</a>\r\n{rows}</pre><hr></body></html>'
)
NGINX_ROW = '<a href="{name}">{name}</a>                30-Nov-2026 10:00      4096\r\n'
APACHE = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html><head><title>Index of {at}'
    '</title></head><body><h1>Index of {at}</h1><table><tr><th><a href="?C=N;O=D">Name</a></th>'
    '<th><a href="?C=M;O=A">Last modified</a></th></tr><tr><td><a href="/">Parent Directory</a>'
    '</td></tr>{rows}</table><a href="https://httpd.apache.org/">Apache</a></body></html>'
)
APACHE_ROW = (
    '<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td>'
    '<td><a href="{name}">{name}</a></td><td align="right">2026-11-30 10:00  </td></tr>\n'
)
ABSOLUTE = "<html><head><title>Files within {at}</title></head><ul>{rows}</ul></html>"
ABSOLUTE_ROW = "<li><a title='x' href='{at}{name}' class=file>{name}</a></li>"


class _Served(BaseHTTPRequestHandler):
    """A server whose page, and whose ways, a test chooses."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, root: Path, page: str, row: str, ways: str) -> None:
        self.root, self.page, self.row, self.ways = root, page, row, ways
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        at = self.path.partition("?")[0]
        if self.ways == "moved" and at.startswith("/run"):
            if at.rstrip("/") == "/run":
                self._head(302, 0, "", Location="/data/v2/")
            else:
                self._head(404, 0)
            return
        path = self.root / at.replace("/data/v2", "/run").strip("/")
        if path.is_dir() and not at.endswith("/"):
            if self.ways == "no redirect":
                self._head(404, 0)
            else:
                self._head(301, 0, Location=f"{at}/")
        elif path.is_dir():
            names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in path.iterdir())
            rows = "".join(self.row.format(name=name, at=at) for name in names)
            self._body(self.page.format(at=at, rows=rows).encode(), "text/html; charset=utf-8")
        elif path.is_file():
            self._body(path.read_bytes(), "application/octet-stream")
        else:
            self._head(404, 0)

    def _body(self, data: bytes, kind: str) -> None:
        is_page = kind.startswith("text/html")
        if self.ways == "chunked" and is_page:
            self._head(200, None, kind, **{"Transfer-Encoding": "chunked"})
            if self.command == "GET":
                for at in range(0, len(data), 100):
                    piece = data[at : at + 100]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            return
        self._head(200, len(data), kind, ETag='"one"')
        if self.command == "GET":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)

    def _head(self, code: int, nbytes: int | None, kind: str = "", **more: str) -> None:
        self.send_response(code)
        if nbytes is not None:
            more |= {"Content-Length": str(nbytes)}
        for name, value in (more | ({"Content-Type": kind} if kind else {})).items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def _running(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _of(root: Path, page: str = NGINX, row: str = NGINX_ROW, ways: str = "") -> Any:
    return functools.partial(_Served, root=root, page=page, row=row, ways=ways)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_folder_is_one_with_its_slash_and_without_whatever_serves_it(run_folder: Path) -> None:
    root = run_folder.parent
    servers = {
        "python -m http.server": functools.partial(_Quiet, directory=str(root)),
        "nginx": _of(root),
        "Apache": _of(root, APACHE, APACHE_ROW),
        "absolute links": _of(root, ABSOLUTE, ABSOLUTE_ROW),
        "in chunks": _of(root, ways="chunked"),
        "no redirect": _of(root, ways="no redirect"),
        "leads elsewhere": _of(root, ways="moved"),
    }
    here = [(one.path.name, one.verdict) for one in ckptdoctor.scan(run_folder).checkpoints]

    def is_judged_as_here(case: tuple[str, str]) -> None:
        name, spelled = case
        with _running(servers[name]) as url:
            report = ckptdoctor.scan(f"{url}/{spelled}")
            assert [(one.path.name, one.verdict) for one in report.checkpoints] == here
            assert [path.name for path in report.runs[0].run.history.logs] == ["train.log"]

    assert_each([(name, at) for name in servers for at in ("run", "run/")], is_judged_as_here)


@pytest.mark.parametrize("command", ["plan", "rank", "history", "restore"])
@pytest.mark.one_in(4)
def test_each_command_takes_a_folder_without_its_slash(
    run_folder: Path, command: str, tmp_path: Path
) -> None:
    with _running(_of(run_folder.parent, ways="chunked")) as url:
        found: dict[str, Outcome] = {}
        for spelled in ("run", "run/"):
            folder = tmp_path / str(len(found))
            folder.mkdir()
            found[spelled] = run(command, f"{url}/{spelled}", "--format", "json", cwd=folder)
    assert found["run"].code == found["run/"].code == (command == "rank")
    assert "unet_epoch_1.pth" in found["run"].stdout or command == "history"
    assert found["run"].json == found["run/"].json


def test_a_page_in_place_of_a_checkpoint_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_text(
        '<html><title>Sign in</title><a href="x.pth">x.pth</a><a href="/help">help</a></html>'
    )

    class Pages(_Quiet):
        extensions_map = _Quiet.extensions_map | {".pth": "text/html"}

    with _running(functools.partial(Pages, directory=str(tmp_path))) as url:
        (one,) = ckptdoctor.scan(f"{url}/x.pth").checkpoints
    assert [finding.code for finding in one.findings] == ["CD101"]


def test_a_server_that_lists_nothing_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "index.html").write_text("<title>My runs</title> <p>none</p>")
    with _running(functools.partial(_Quiet, directory=str(tmp_path))) as url:
        outcome = run("scan", f"{url}/run/")
    assert outcome.code == 3
    assert "the server lists no files there; name them one by one" in outcome.stderr


@each(
    ("href", "name"),
    [
        ("a.pth", "a.pth"),
        ("./a.pth", "a.pth"),
        ("a%20b.pth", "a%20b.pth"),
        ("a b.pth", "a%20b.pth"),
        ("é.pth", "%C3%A9.pth"),
        ("a.pth?download=1", "a.pth"),
        ("a&amp;b.pth", "a&b.pth"),
        ("sub/", "sub/"),
        ("/run/a.pth", "a.pth"),
        ("http://host/run/a.pth", "a.pth"),
        ("http://other/run/a.pth", ""),
        ("//other/run/a.pth", ""),
        ("../", ""),
        ("..", ""),
        (".", ""),
        ("%2e%2e/", ""),
        ("%2e%2e/x.pth", ""),
        ("%2e", ""),
        ("..%2fx.pth", ""),
        ("a%00.pth", ""),
        ("sub/x.pth", ""),
        ("?C=N;O=D", ""),
        ("#top", ""),
        ("javascript:void(0)", ""),
        ("http://[", ""),
    ],
)
def test_which_links_are_files_of_a_folder(href: str, name: str) -> None:
    for mark in "\"'":
        found = list(_links(f"<A CLASS=x HREF={mark}{href}{mark}>x</A>", "http://host/run/"))
        assert [one + "/" * is_folder for one, is_folder in found] == ([name] if name else [])


def test_names_with_escapes_are_fetched(run_folder: Path, tmp_path: Path) -> None:
    odd = "a b%é+.pth"
    (tmp_path / odd).write_bytes((run_folder / "unet_epoch_0.pth").read_bytes())
    with _running(functools.partial(_Quiet, directory=str(tmp_path))) as url:
        (one,) = ckptdoctor.scan(f"{url}/").checkpoints
        assert one.verdict.value == "healthy"
        assert one.path.name == "a%20b%25%C3%A9+.pth"
        assert path_of(f"{url}/{one.path.name}").is_file()


def test_the_query_of_a_folder_goes_with_each_file_and_is_never_shown(
    run_folder: Path, tmp_path: Path
) -> None:
    with serving(run_folder.parent) as site:
        url = f"{site.url}/run/?token=SECRET"
        for command in ("scan", "rank", "plan", "autopsy"):
            outcome = run(command, url)
            assert outcome.code in (0, 1), outcome.stderr
            assert "SECRET" not in outcome.stdout + outcome.stderr
        told = run("scan", url, "--format", "json", cwd=tmp_path)
        assert "SECRET" not in told.stdout
        assert told.json["runs"][0]["next"] == f"ckptdoctor plan '{site.url}/run/?…'"
        assert {path.partition("?")[2] for _, path, _ in site.asked} == {"token=SECRET"}
        here = run("scan", run_folder, "--format", "json")
        verdicts = [one["verdict"] for one in told.json["checkpoints"]]
        assert verdicts == [one["verdict"] for one in here.json["checkpoints"]]


def test_a_query_goes_to_no_server_that_this_one_leads_to(run_folder: Path) -> None:
    with serving(run_folder.parent) as one, serving(run_folder.parent) as other:
        one.leads_to = f"{other.url}{{path}}"
        outcome = run("scan", f"{one.url}/run/?token=SECRET", "--format", "json")
        assert len(outcome.json["checkpoints"]) == 3
        assert any("token" in path for _, path, _ in one.asked)
        assert any(path == "/run/unet_epoch_1.pth" for _, path, _ in other.asked)
        assert not any("token" in path for _, path, _ in other.asked)
