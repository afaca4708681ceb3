"""The ``.metadata`` of every rank as one: torch writes one a rank where ranks do not talk.

Source: ``use_collectives`` in ``torch/distributed/checkpoint/state_dict_saver.py`` of PyTorch 2.13.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ckptdoctor.formats.dcp.described import Chunk, DcpMetadata, WholeTensor, place_of

__all__ = ["merged"]


def merged(described: Sequence[DcpMetadata]) -> DcpMetadata:
    """What all of them say together.

    A chunk that several ranks have, each in a file of its own, is one chunk.

    Args:
        described: one a rank, at least one.
    """
    if len(described) == 1:
        return described[0]
    tensors: dict[str, WholeTensor] = {}
    for one in described:
        for fqn, tensor in one.tensors.items():
            known = tensors.get(fqn)
            tensors[fqn] = (
                tensor
                if known is None
                else replace(known, chunks=_once((*known.chunks, *tensor.chunks)))
            )
    return replace(
        described[0],
        tensors=tensors,
        values=frozenset(itertools.chain.from_iterable(one.values for one in described)),
        items=tuple(itertools.chain.from_iterable(one.items for one in described)),
        key_paths={fqn: path for one in described for fqn, path in one.key_paths.items()},
    )


def _once(chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    found: dict[str, Chunk] = {}
    for chunk in chunks:
        found.setdefault(place_of(chunk.name_in(""), chunk.offsets), chunk)
    return tuple(found.values())
