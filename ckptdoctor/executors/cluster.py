"""A dask cluster that runs already, by the address of its scheduler."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from ckptdoctor.errors import UsageError
from ckptdoctor.sources.urls import redacted

__all__ = ["cluster_at"]

_ADDRESS = re.compile(
    r"(?:(?:tcp|tls|ws|wss|ucx)://)?(?:[\w.-]{1,255}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}"
)
_PATIENCE_S = 10
_FEWEST = 8
"""Workers may come once there is work."""


def _is_heard(address: str) -> bool:
    """Whether somebody listens there: dask asks for half a minute, and leaves threads behind."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S):
            return True
    except (OSError, OverflowError, UnicodeError):
        return False


@contextlib.contextmanager
def cluster_at(address: str) -> Iterator[Executor]:
    """An executor of the cluster, which is left as it was at the end.

    Args:
        address: of its scheduler: ``tcp://scheduler:8786``.

    Raises:
        ConnectionError: no scheduler answers there.
        UsageError: dask is not installed, or that is no address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--cluster: dask is not installed: pip install 'ckptdoctor[dask]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails is told by us
    if not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"--cluster {redacted(address)}: no address of a dask scheduler, such as tcp://host:8786"
        )
    nobody = f"{address}: no dask scheduler answers there"
    if not _is_heard(address):
        raise ConnectionError(nobody)
    connect: Any = Client
    try:
        client = connect(address, set_as_default=False, timeout=_PATIENCE_S)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(nobody) from error
    except Exception as error:  # dask's protocols have errors of their own, as of a certificate
        said = " ".join(str(error).split())
        raise UsageError(f"--cluster {address}: dask cannot connect so: {said}") from error
    try:
        executor = client.get_executor(pure=False)
        # What is cut into batches for so many workers is right for more as well.
        executor.num_workers = max(_FEWEST, sum(client.nthreads().values()))
        yield executor
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)
