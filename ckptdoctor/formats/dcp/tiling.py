"""Whether the chunks of each tensor make it up: nothing left out, nothing twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Problem, Role
from ckptdoctor.finding import Severity
from ckptdoctor.formats.dcp.described import Chunk, DcpMetadata, WholeTensor, place_of

__all__ = ["tiling_problems", "unplaced"]

_MAX_PROBLEMS = 20
_COMPARED = 500_000  # pairs of boxes, of all tensors together: about a second


def tiling_problems(metadata: DcpMetadata, roles: Mapping[str, Role]) -> Iterator[Problem]:
    """What the chunks of each tensor leave out of it, store twice, or store nowhere.

    Args:
        metadata: what the ``.metadata`` says.
        roles: of its tensors.
    """
    found, worst = 0, Role.OTHER
    budget = _COMPARED
    nowhere = unplaced(metadata)
    for tensor in metadata.tensors.values():
        fault, cost = _fault(tensor, budget, nowhere)
        budget -= cost
        if not fault:
            continue
        found += 1
        role = roles[tensor.fqn]
        worst = role if worst is not Role.MODEL else worst
        if found <= _MAX_PROBLEMS:
            yield _problem(tensor.fqn, f"{fault}, by .metadata", role)
    if found > _MAX_PROBLEMS:
        more = f"{found - _MAX_PROBLEMS} more are not made up by their chunks"
        yield _problem("tensors", more, worst)


def unplaced(metadata: DcpMetadata) -> frozenset[str]:
    """The names of the chunks that hold something and that no file is said to hold."""
    stored = {place_of(item.fqn, item.offsets) for item in metadata.items}
    return frozenset(
        name
        for place, (name, chunk) in metadata.chunks_by_place().items()
        if chunk.numel and place not in stored
    )


def _fault(tensor: WholeTensor, budget: int, nowhere: Collection[str]) -> tuple[str, int]:
    """What is wrong with the chunks, "" for nothing; and how many pairs were compared."""
    numel = math.prod(tensor.size)
    chunks = [chunk for chunk in tensor.chunks if chunk.numel]
    lacking = sum(name in nowhere for name in tensor.chunk_names) if nowhere else 0
    if lacking:
        return f"no file holds {lacking} of its {len(chunks)} chunks", 0
    for chunk in chunks:
        ends = zip(chunk.offsets, chunk.sizes, tensor.size, strict=True)
        if any(start + size > whole for start, size, whole in ends):
            return f"a chunk of it, {chunk.name_in('')}, lies outside of its {list(tensor.size)}", 0
    held = sum(chunk.numel for chunk in chunks)
    if held < numel:
        return f"its chunks hold {held} of its {numel} elements", 0
    overlap, cost = _overlap(chunks, budget)
    if cost > budget:
        return f"its {len(chunks)} chunks would take too long to compare", cost
    if overlap is not None:
        left, right = (chunk.name_in("") for chunk in overlap)
        return f"two of its chunks overlap: {left} and {right}", cost
    return "", cost


def _overlap(chunks: Sequence[Chunk], budget: int) -> tuple[tuple[Chunk, Chunk] | None, int]:
    """Two boxes that share an element; and how many pairs were compared.

    Boxes are swept along the dimension in which they start at most places, and compared with those
    that reach as far.
    """
    if len(chunks) < 2 or _is_grid(chunks):
        return None, 0
    dims = range(len(chunks[0].offsets))
    dim = max(dims, key=lambda dim: len({chunk.offsets[dim] for chunk in chunks}), default=0)
    cost = 0
    reaching: list[Chunk] = []
    for chunk in sorted(chunks, key=lambda chunk: chunk.offsets[dim] if dims else 0):
        if dims:
            start = chunk.offsets[dim]
            reaching = [one for one in reaching if one.offsets[dim] + one.sizes[dim] > start]
        cost += len(reaching)
        if cost > budget:
            return None, cost
        for other in reaching:
            if _share(chunk, other):
                return (other, chunk), cost
        reaching.append(chunk)
    return None, cost


def _is_grid(chunks: Sequence[Chunk]) -> bool:
    """Whether each dimension is cut in one way for all chunks, as nearly everybody cuts it."""
    count = 1
    for dim in range(len(chunks[0].offsets)):
        spans = sorted({(chunk.offsets[dim], chunk.sizes[dim]) for chunk in chunks})
        if any(at + size > then for (at, size), (then, _) in itertools.pairwise(spans)):
            return False
        count *= len(spans)
    return count == len(chunks) == len({place_of("", chunk.offsets) for chunk in chunks})


def _share(a: Chunk, b: Chunk) -> bool:
    return all(
        max(left, right) < min(left + wide, right + broad)
        for left, wide, right, broad in zip(a.offsets, a.sizes, b.offsets, b.sizes, strict=True)
    )


def _problem(subject: str, message: str, role: Role) -> Problem:
    return Problem(
        code="CD104",
        severity=Severity.ERROR,
        subject=subject,
        message=message,
        evidence={"role": role.value},
        remedy="Use an earlier checkpoint: this one was not saved whole.",
    )
