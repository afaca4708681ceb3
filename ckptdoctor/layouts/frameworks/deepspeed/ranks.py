"""Which files of ranks a DeepSpeed checkpoint lacks, by their names and by what one file says.

Source: deepspeed 0.19. ``engine._common_checkpoint_state`` writes ``dp_world_size``,
``mp_world_size``, ``param_shapes`` (with ZeRO) and, for experts, ``num_experts``; ZeRO's optimizers
write ``partition_count``. ``zero_to_fp32.parse_optim_states`` refuses another number of files.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.layouts.contents import count_in, values_in
from ckptdoctor.layouts.files import Absent, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.deepspeed.names import Expert, Layer, Model, Optimizer, TagNames
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Facts", "absent_ranks", "facts_of"]

_MOST = 10_000  # one file may say that it is of a million times a million ranks
_PARTITIONS = "optimizer_state_dict.partition_count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the contents of a checkpoint say of its files.

    Attributes:
        file: the one that was asked; "" where none could be read.
        dp: how many data parallel ranks there were; 0 where that is not known.
        mp: how many model parallel ranks; 0 where that is not known.
        zero: whether the optimizer was ZeRO's, which has files of its own.
        experts: how many each layer of experts has.
    """

    file: str = ""
    dp: int = 0
    mp: int = 0
    zero: bool = False
    experts: tuple[int, ...] = ()


def facts_of(folder: Folder, names: TagNames) -> Facts:
    """What the first file says that can be read: a model's, or else an optimizer's."""
    for model in names.models[:1]:
        values = values_in(folder.path / model.file)
        if values:
            return _of_model(model.file, values)
    for optimizer in names.optimizers[:1]:
        values = values_in(folder.path / optimizer.file)
        if values:
            each = [key for key in values if key.startswith(f"{_PARTITIONS}.")]
            dp = count_in(values, _PARTITIONS, *each)
            return Facts(file=optimizer.file, dp=dp, zero=True)
    return Facts()


def _of_model(file: str, values: Mapping[str, Scalar]) -> Facts:
    experts: list[int] = []
    while count := count_in(values, f"num_experts.{len(experts)}"):
        experts.append(count)
    return Facts(
        file=file,
        dp=count_in(values, "dp_world_size"),
        mp=count_in(values, "mp_world_size"),
        zero=any(key.startswith("param_shapes.") for key in values),
        experts=tuple(experts),
    )


def absent_ranks(names: TagNames, facts: Facts, *, is_universal: bool) -> Iterator[Absent]:
    """What the ranks that are there, and their number, say should be there.

    Args:
        names: those of the folder.
        facts: from its contents.
        is_universal: whether the optimizer lies in ``zero/``, a folder a parameter.
    """
    mp_ranks = range(max(names.mp_count, facts.mp))
    every = itertools.chain(
        _absent_models(names, facts, mp_ranks),
        () if is_universal else _absent_optimizers(names, facts, mp_ranks),
        _absent_experts(names, facts),
        _absent_layers(names.layers),
    )
    yield from itertools.islice(every, _MOST)


def _absent_models(names: TagNames, facts: Facts, mp_ranks: Sequence[int]) -> Iterator[Absent]:
    dp_count = max(names.dp_count, facts.dp)
    is_zero_3 = names.stage_3
    dp_ranks = [*range(dp_count)] if is_zero_3 else [None]
    there = set(names.models)
    for mp in mp_ranks:
        for dp in dp_ranks:
            wanted = Model(mp=mp, dp=dp)
            if wanted not in there:
                because = _because(names, facts, mp=mp, dp=dp)
                yield Absent(name=wanted.file, role=PartRole.MODEL, because=because)


def _absent_optimizers(names: TagNames, facts: Facts, mp_ranks: Sequence[int]) -> Iterator[Absent]:
    if not (names.optimizers or facts.zero or names.stage_3):
        return
    there = {(one.dp, one.mp) for one in names.optimizers}
    kinds = Counter((one.before, one.between) for one in names.optimizers)
    before, between = kinds.most_common(1)[0][0] if kinds else ("zero_pp", "_")
    for mp in mp_ranks:
        for dp in range(max(names.dp_count, facts.dp)):
            if (dp, mp) not in there:
                yield Absent(
                    name=Optimizer(dp=dp, mp=mp, before=before, between=between).file,
                    # With ZeRO 3 it holds this rank's pieces of all weights.
                    role=PartRole.MODEL if names.stage_3 else PartRole.OPTIMIZER,
                    because=_because(names, facts, mp=mp, dp=dp),
                )


def _because(names: TagNames, facts: Facts, *, mp: int, dp: int | None) -> str:
    """Who says that there was such a rank."""
    if dp is not None and dp >= names.dp_count:
        said = "dp_world_size" if facts.mp else "partition_count"
        return f"{facts.file} says {said} {facts.dp}"
    if mp >= names.mp_count:
        return f"{facts.file} says mp_world_size {facts.mp}"
    return "files of other ranks are there"


def _absent_experts(names: TagNames, facts: Facts) -> Iterator[Absent]:
    if not names.experts and not facts.experts:
        return
    there = set(names.experts)
    for mp in sorted({one.mp for one in there} or {0}):
        for layer, count in _experts_by_layer(names, facts).items():
            for expert in range(count):
                wanted = Expert(layer=layer, expert=expert, mp=mp)
                if wanted not in there:
                    told = layer is not None and layer < len(facts.experts)
                    yield Absent(
                        name=wanted.file,
                        role=PartRole.MODEL,
                        because=f"{facts.file} says num_experts"
                        if told
                        else "files of other experts are there",
                    )
    there_too = {(one.dp, one.mp) for one in names.expert_optimizers}
    for mp in sorted({mp for _, mp in there_too}):
        for dp in range(1 + max(dp for dp, _ in there_too)):
            if (dp, mp) not in there_too:
                yield Absent(
                    name=Optimizer(dp=dp, mp=mp, before="expp").file,
                    role=PartRole.OPTIMIZER,
                    because="files of other ranks are there",
                )


def _experts_by_layer(names: TagNames, facts: Facts) -> dict[int | None, int]:
    counts: dict[int | None, int] = dict(enumerate(facts.experts))
    if any(one.layer is None for one in names.experts):  # one number for all of them
        counts = {None: max(facts.experts, default=0)}
    for one in names.experts:
        counts[one.layer] = max(counts.get(one.layer, 0), one.expert + 1)
    return counts


def _absent_layers(layers: Sequence[Layer]) -> Iterator[Absent]:
    """A layer without parameters has no file, so that only ranks of a layer can be missed."""
    there = set(layers)
    ranks = sorted({one.rank for one in layers})
    for number in sorted({one.layer for one in layers}):
        for rank in ranks:
            wanted = Layer(layer=number, rank=rank)
            if wanted not in there:
                yield Absent(
                    name=wanted.file,
                    role=PartRole.MODEL,
                    because="files of other ranks of this layer are there",
                )
