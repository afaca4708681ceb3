"""What a scan of large objects costs against their download, and how much memory it takes.

    python -m tests.benchmarks.large_objects [--mb N] [--rounds N]

Two objects in what answers the three questions of S3 that a download and a scan ask: a list, an
object, a range of it. Not moto: that reads an object whole for each range of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

_WHEN = "2026-01-01T00:00:00.000Z"
_LISTED = (
    "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
    "<IsTruncated>false</IsTruncated>{}</ListBucketResult>"
)
_ONE = (
    "<Contents><Key>{}</Key><Size>{}</Size><ETag>&quot;{}&quot;</ETag>"
    f"<LastModified>{_WHEN}</LastModified></Contents>"
)
_FOLDER = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"
_USED = """
import json, sys, time, ckptdoctor
{}
clock, own = time.perf_counter(), time.process_time()
{}
used = time.perf_counter() - clock, time.process_time() - own
# getrusage's peak begins at that of the parent
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([*used, int(peak[0].split()[1]) * 1024 / 1e6]))
"""
SCAN = _USED.format("", "ckptdoctor.scan(sys.argv[1])")
_LIST = _USED.format("", "ckptdoctor.scan(sys.argv[1]); import s3fs; s3fs.S3FileSystem().ls('bkt')")
_GET = _USED.format(
    "import s3fs", "s3fs.S3FileSystem().get(sys.argv[1], sys.argv[2], recursive=True)"
)


class _Handler(BaseHTTPRequestHandler):
    """Objects of a folder, each below the bucket that its first folder is."""

    protocol_version = "HTTP/1.1"
    root = Path()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        if "list-type" in query:
            told = {name: values[0] for name, values in query.items()}
            self._list(asked.path.strip("/"), told.get("prefix", ""), told.get("delimiter", ""))
            return
        path = self.root / asked.path.strip("/")
        if not path.is_file():
            self._head(404, {"Content-Length": "0"})
            return
        nbytes = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d{1,15})-(\d{1,15})", self.headers.get("Range", ""))
        start, end = (int(wanted[1]), min(int(wanted[2]) + 1, nbytes)) if wanted else (0, nbytes)
        more = {"Content-Range": f"bytes {start}-{end - 1}/{nbytes}"} if wanted else {}
        length = {"Content-Length": str(end - start), "ETag": f'"{path.name}"'}
        self._head(206 if wanted else 200, {**length, **more})
        with path.open("rb") as file:
            while start < end and self.command == "GET":
                start += os.sendfile(self.connection.fileno(), file.fileno(), start, end - start)

    def _list(self, bucket: str, prefix: str, delimiter: str) -> None:
        rows: dict[str, str] = {}
        for one in sorted((self.root / bucket).rglob("*")):
            key = one.relative_to(self.root / bucket).as_posix()
            rest, found, _ = key.removeprefix(prefix).partition(delimiter or "\0")
            if not key.startswith(prefix) or one.is_dir():
                continue
            if found:
                rows[rest] = _FOLDER.format(escape(f"{prefix}{rest}{found}"))
            else:
                rows[rest] = _ONE.format(escape(key), one.stat().st_size, one.name)
        body = _LISTED.format("".join(rows.values())).encode()
        self._head(200, {"Content-Type": "application/xml", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: it is asked thousands of times."""


def _serve(root: Path) -> None:
    _Handler.root = root
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextlib.contextmanager
def serving(root: Path) -> Iterator[dict[str, str]]:
    """A server of buckets that are folders, and the environment that leads there."""
    command = [sys.executable, "-m", "tests.benchmarks.large_objects", "--serve", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}",
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_DEFAULT_REGION": "us-east-1",
                "CKPTDOCTOR_NO_CACHE": "1",
            }
        finally:
            server.terminate()


def _of(code: str, *arguments: str) -> tuple[float, float, float]:
    """What a process of its own took: seconds of the clock and of processors, megabytes."""
    clock, own, mb = json.loads(subprocess.check_output([sys.executable, "-c", code, *arguments]))
    return clock, own, mb


def main() -> None:
    """Print the figures; or be the server."""
    options = argparse.ArgumentParser()
    options.add_argument("--mb", type=int, default=1000, help="size of an object")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--serve", type=Path, metavar="FOLDER")
    chosen = options.parse_args()
    if chosen.serve:
        _serve(chosen.serve)
        return
    from tests.benchmarks.remote import checkpoint  # imports torch

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        here = root / "store" / "bkt" / "run"
        here.mkdir(parents=True)
        for at in range(2):
            checkpoint(here / f"u_{at}.pth", chosen.mb)
        with serving(root / "store") as environment:
            os.environ |= environment
            for _ in range(chosen.rounds):
                got = _of(_GET, "bkt/run", str(root / "got"))
                shutil.rmtree(root / "got")
                far, near = _of(SCAN, "s3://bkt/run"), _of(SCAN, str(here))
                libraries = _of(_LIST, str(here))[2] - near[2]
                print(
                    f"2 objects of {chosen.mb} MB: a scan takes {far[0] / got[0]:.2f} of the time "
                    f"of the download ({far[0]:.1f} s, {got[0]:.1f} s; here {near[0]:.1f} s), and "
                    f"{far[1] / got[1]:.2f} of its processor time ({far[1]:.1f} s, {got[1]:.1f} s; "
                    f"here {near[1]:.1f} s); {far[2]:.0f} MB of memory, "
                    f"{far[2] - near[2]:.0f} more than here, {libraries:.0f} of these the "
                    f"libraries that open S3; the download {got[2]:.0f}",
                    flush=True,
                )
                time.sleep(1)


if __name__ == "__main__":
    main()
