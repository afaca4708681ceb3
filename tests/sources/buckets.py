"""A real S3 protocol on this machine: moto's server, one for all tests of a process.

fsspec opens a store once in a process, and the mirror with it: a second server would not be asked.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@functools.cache
def _endpoint() -> str:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()  # its thread ends with the process
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


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
