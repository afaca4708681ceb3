"""Members of runs without files: named, counted and scored as a reader would find them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import read_metadata
from ckptdoctor.runs.logs import LogReading, Row
from ckptdoctor.runs.member import Layout, Member
from tests.cases import checkpoint

ROOT = Path("/no/such/place")
"""Where members lie that a test gives no folder; nothing is there."""


def model(word: str, tensors: int = 6, width: int = 4, dtype: str = "float32") -> Layout:
    """A model whose tensors are called like those of no other word."""
    return tuple((f"{word}{at}.weight", dtype, (width, width + at)) for at in range(tensors))


def wrapped(layout: Layout, prefix: str) -> Layout:
    """The same model within a wrapper such as ``module.``"""
    return tuple((prefix + fqn, dtype, shape) for fqn, dtype, shape in layout)


HERON, OTTER, LYNX = model("heron"), model("otter"), model("lynx", 8)


def member(
    path: str | Path,
    layout: Layout | None = HERON,
    *,
    restored: RestoredFrom | None = None,
    **scalars: Scalar,
) -> Member:
    """A checkpoint with these scalars in it; see :func:`holding`."""
    return holding(path, scalars, layout, restored=restored)


def holding(
    path: str | Path,
    scalars: Mapping[str, Scalar],
    layout: Layout | None = HERON,
    *,
    restored: RestoredFrom | None = None,
) -> Member:
    """A checkpoint with these scalars in it; what its name says is read as well.

    Args:
        path: relative ones lie in ``ROOT``.
        scalars: what stands in it; ``__`` in a key is a dot.
        layout: its model; () for a file without one, None for one that could not be read.
        restored: what its manifest says.
    """
    full = ROOT / path
    held = {key.replace("__", "."): value for key, value in scalars.items()}
    return Member(
        path=full,
        metadata=read_metadata(checkpoint(path=str(full), scalars=held)),
        layout=layout,
        restored=restored,
        has_weights=layout != (),
        holds_state=bool(held),
    )


def numbered(pattern: str, numbers: Iterable[int], layout: Layout | None = HERON) -> list[Member]:
    """Members called ``pattern.format(n)``."""
    return [member(pattern.format(n), layout) for n in numbers]


def names(members: Iterable[Member]) -> list[str]:
    """What they are called, without their folders."""
    return [one.path.name for one in members]


def log(
    rows: Mapping[int, Mapping[str, float]],
    superseded: Collection[int] = (),
    steps: Mapping[int, int] | None = None,
    **more: Any,
) -> LogReading:
    """What a log says that has these values of these epochs."""
    told = (
        Row(epoch=at, step=(steps or {}).get(at), values=values, superseded=at in superseded)
        for at, values in rows.items()
    )
    return LogReading(rows=tuple(told), **more)


def curve(name: str, values: Sequence[float], first: int = 1) -> dict[int, dict[str, float]]:
    """One value an epoch."""
    return {at: {name: value} for at, value in enumerate(values, start=first)}
