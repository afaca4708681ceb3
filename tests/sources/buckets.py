"""A real S3 protocol on this machine: moto's server, one for all tests of a process.

fsspec opens a store once in a process, and the mirror with it: a second server would not be asked.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Stage:
    """What the server was asked, and what it does not answer.

    Attributes:
        asked: each question, in order: what it is, and of which key.
        silent: what it takes and never answers, as :func:`question` calls it.
        serves: what it does, once it does it: set where the silent question is answered after all.
    """

    asked: list[tuple[str, str]] = field(default_factory=list)
    silent: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def is_silent(self, question: str) -> Iterator[None]:
        """No such question is answered meanwhile."""
        self.silent = question
        self.released.clear()
        try:
            yield
        finally:
            self.silent = ""
            self.released.set()


stage = Stage()
"""That of the server of this process."""


def question(environ: Mapping[str, Any]) -> str:
    """What a request asks S3 for.

    Source: Amazon S3's API reference.
    """
    method, query = str(environ["REQUEST_METHOD"]), str(environ["QUERY_STRING"])
    if method == "POST":
        return {"uploads": "begin", "delete": "delete"}.get(query.rstrip("="), "complete")
    if method == "PUT":
        if "HTTP_X_AMZ_COPY_SOURCE" in environ:
            return "copy"
        return "part" if "partNumber" in query else "put"
    if method == "GET":
        return "list" if "list-type" in query else "get"
    return {"HEAD": "head", "DELETE": "abort" if "uploadId" in query else "delete"}[method]


def _staged(app: Any) -> Any:
    def answer(environ: dict[str, Any], start: Any) -> Any:
        asked = question(environ)
        stage.asked.append((asked, f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"))
        if asked == stage.silent:
            stage.released.wait()  # not one byte of it is read
            raise ConnectionAbortedError
        return app(environ, start)

    return answer


@functools.cache
def _endpoint() -> str:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = _staged(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


@contextmanager
def s3_here() -> Iterator[Any]:
    """s3fs's file system on the server of this process; the environment leads fsspec there."""
    pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", _endpoint())
        patch.setenv("AWS_ACCESS_KEY_ID", "KeyOfTheTest")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "SecretOfTheTest")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield s3fs.S3FileSystem()
