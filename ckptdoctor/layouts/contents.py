"""What one part says of the others: its values, without a byte of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import CheckpointError

__all__ = ["count_in", "values_in"]

_NOTHING: Mapping[str, Scalar] = MappingProxyType({})
_MOST_RANKS = 100_000
"""No training has more; a larger number is no count of ranks."""


def values_in(path: Path) -> Mapping[str, Scalar]:
    """The values of a checkpoint file by their path; none where it cannot be read."""
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except (CheckpointError, OSError):
        return _NOTHING


def count_in(values: Mapping[str, Scalar], *keys: str) -> int:
    """How many ranks a value counts, the largest of those under the keys; 0 where none does."""
    found = (values.get(key) for key in keys)
    return max(
        (one for one in found if type(one) is int and 0 < one <= _MOST_RANKS),
        default=0,
    )


@lru_cache(maxsize=32)  # who watches a folder asks again and again
def _read(path: Path, mtime_ns: int, nbytes: int) -> Mapping[str, Scalar]:  # noqa: ARG001
    from ckptdoctor.formats import open_checkpoint  # slow to import, and most folders need none

    return open_checkpoint(path).scalars
