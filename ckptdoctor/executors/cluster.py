"""A dask cluster that runs already, by the address of its scheduler."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from ckptdoctor.errors import UsageError

__all__ = ["cluster_at"]

_ADDRESS = re.compile(r"(?:[a-z]{2,10}://)?(?:[\w.-]{1,255}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}")
_FEWEST = 8
"""Workers may come once there is work."""


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
            f"--cluster {address}: no address of a dask scheduler, such as tcp://host:8786"
        )
    connect: Any = Client
    try:
        client = connect(address, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectionError(f"{address}: no dask scheduler answers there") from error
    try:
        executor = client.get_executor(pure=False)
        # What is cut into batches for so many workers is right for more as well.
        executor.num_workers = max(_FEWEST, sum(client.nthreads().values()))
        yield executor
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)
