"""Which ranks of a Megatron-LM checkpoint are missed, by the names and by its arguments.

Source: Megatron-LM, ``megatron/training/checkpointing.py``. Where experts are split over fewer
tensor ranks than the model is, not every expert rank meets every tensor rank.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.layouts.contents import count_in, values_in
from ckptdoctor.layouts.files import Absent, Part, PartRole

__all__ = ["MODELS", "Rank", "absent_ranks", "rank_of"]

MODELS = ("model_optim_rng.pt", "model_rng.pt")
"""What a rank's model is called, today and until 2022."""

Rank = tuple[int, ...]
"""What a folder's name counts: the tensor, pipeline and expert rank, where there are several."""

_RANK = re.compile(r"mp_rank_(\d{2,6})(?:_(\d{3,6}))?(?:_(\d{3,6}))?")
_MOST = 100_000
"""More ranks than that come from a number that is no rank."""


def rank_of(folder: str) -> Rank | None:
    """The ranks in a folder's name; None where it is no rank's."""
    found = _RANK.fullmatch(folder)
    return tuple(int(one) for one in found.groups() if one is not None) if found else None


def _folder_of(rank: Rank) -> str:
    return "_".join(["mp_rank", f"{rank[0]:02d}", *(f"{one:03d}" for one in rank[1:])])


def absent_ranks(parts: Sequence[Part]) -> Iterator[Absent]:
    """The files that ranks lack.

    Args:
        parts: those that are there, the model's first.
    """
    by_file: dict[str, dict[Rank, Part]] = defaultdict(dict)
    for part in parts:
        path = PurePosixPath(part.name)
        by_file[path.name][rank_of(path.parent.name) or (0,)] = part
    model = next((file for file in MODELS if file in by_file), "")
    if not model:
        every = {rank for there in by_file.values() for rank in there}
        yield from _absent(MODELS[0], PartRole.MODEL, every, "the optimizer of this rank is there")
        return
    values = values_in(parts[0].path)
    ranks = _wanted(by_file[model].keys(), values)
    for file, there in by_file.items():
        # An old optim.pt lies in a folder per data parallel rank: a number more than the model's.
        own = {len(rank) for rank in there} - {len(rank) for rank in ranks}
        wanted = _wanted(there.keys(), {}) if own else ranks
        told = _wanted(there.keys(), {})
        role = next(iter(there.values())).role
        lacking = wanted - there.keys()
        yield from _absent(file, role, lacking & told, "files of other ranks are there")
        yield from _absent(file, role, lacking - told, f"{parts[0].name} tells of this rank")


def _absent(file: str, role: PartRole, ranks: AbstractSet[Rank], because: str) -> Iterator[Absent]:
    for rank in sorted(ranks):
        yield Absent(name=f"{_folder_of(rank)}/{file}", role=role, because=because)


def _wanted(there: AbstractSet[Rank], values: Mapping[str, Scalar]) -> set[Rank]:
    """Every rank up to the largest in the names, and those that the arguments count.

    Args:
        there: at least one.
        values: of a model's file; none to go by the names.
    """
    length = len(next(iter(there)))
    if any(len(rank) != length for rank in there):  # two trainings in one folder
        return set(there)
    counts = [1 + max(rank[at] for rank in there) for at in range(length)]
    tensor = count_in(values, "args.tensor_model_parallel_size", "args.model_parallel_size")
    pipeline = count_in(values, "args.pipeline_model_parallel_size")
    expert = count_in(values, "args.expert_model_parallel_size")
    for_experts = count_in(values, "args.expert_tensor_parallel_size")
    has_pipeline = length == 3 or (length == 2 and pipeline != 1)
    counts[0] = max(counts[0], tensor)
    if has_pipeline:
        counts[1] = max(counts[1], pipeline)
    if length == 2 + has_pipeline:
        if 0 < for_experts < counts[0]:
            return set(there)
        counts[-1] = max(counts[-1], expert)
    if max(counts) > _MOST:
        return set(there)
    return set(itertools.islice(itertools.product(*(range(one) for one in counts)), _MOST))
