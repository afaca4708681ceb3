"""Web servers of the tests: with ranges and without, and with the faults of real ones."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """What a server serves, how, and what it was asked.

    Attributes:
        root: the folder.
        has_ranges: whether it gives parts of a file.
        busy: how many requests it still answers by 503.
        breaks: how many answers it still breaks off in the middle.
        etag: of every file.
        sends: fewer bytes of a file than it tells of.
        slips: so many bytes lie between the range that is asked for and the one that it answers.
        forbidden: a path that it answers by 403.
        leads_to: where it says that every file is, if anywhere; ``{path}`` is the one asked for.
        pages: what it shows at these paths.
        held: a path that it answers once ``release`` is set.
        asked: method, path and range of each request, in order.
        sent: bytes of files that went out.
    """

    root: Path
    url: str = ""
    has_ranges: bool = True
    busy: int = 0
    breaks: int = 0
    etag: str = '"one"'
    sends: int | None = None
    slips: int = 0
    forbidden: str = "/no such path"
    leads_to: str = ""
    held: str = "/no such path"
    pages: dict[str, bytes] = field(default_factory=dict)
    release: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append((self.command, self.path, asked))
            if self.path == site.held and with_body:
                site.release.wait()
            if site.busy > 0:
                site.busy -= 1
                self._head(503, 0)
                return
            if site.leads_to:
                self.send_response(302)
                asked_for = self.path.partition("?")[0]
                self.send_header("Location", site.leads_to.replace("{path}", asked_for))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path == site.forbidden:
                self._head(403, 0)
                return
            if self.path in site.pages:
                page = site.pages[self.path]
                self._head(200, len(page), "text/html")
                self.wfile.write(page if with_body else b"")
                return
            path = site.root / self.path.partition("?")[0].strip("/")
            if path.is_dir():
                names = [f"{one.name}/" if one.is_dir() else one.name for one in path.iterdir()]
                page = "".join(f'<a href="{name}">{name}</a>' for name in sorted(names)).encode()
                self._head(200, len(page), "text/html")
                self.wfile.write(page if with_body else b"")
                return
            if not path.is_file():
                self._head(404, 0)
                return
            data = path.read_bytes()
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
            if not with_body or found is None or not site.has_ranges:
                self._head(200, len(data))
                self._send(data[: site.sends] if with_body else b"", len(data))
                return
            start, end = int(found[1]), min(int(found[2]) + 1, len(data))
            if start >= site.slips:
                start, end = start - site.slips, end - site.slips
            self._head(206, end - start, content=f"bytes {start}-{end - 1}/{len(data)}")
            self._send(data[start:end], end - start)

        def _head(self, code: int, nbytes: int, kind: str = "", content: str = "") -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(nbytes))
            self.send_header("ETag", site.etag)
            self.send_header("Content-Type", kind or "application/octet-stream")
            if site.has_ranges:
                self.send_header("Accept-Ranges", "bytes")
            if content:
                self.send_header("Content-Range", content)
            self.end_headers()

        def _send(self, data: bytes, promised: int) -> None:
            if data and site.breaks > 0:
                site.breaks -= 1
                data = data[: len(data) // 2]
            site.sent += len(data)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)
            if data and len(data) < promised:
                self.close_connection = True

    return Handler


@contextlib.contextmanager
def serving(root: Path) -> Iterator[Site]:
    """A server of a folder on this machine, for as long as it is needed."""
    site = Site(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
