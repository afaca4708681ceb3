"""The names that DeepSpeed gives to files, taken apart into ranks, and put together again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field

from ckptdoctor.layouts.folder import Folder
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Expert", "Layer", "Model", "Optimizer", "TagNames", "names_in"]

_MODEL = re.compile(r"(?:zero_pp_rank_(?P<dp>\d{1,6})_)?mp_rank_(?P<mp>\d{1,6})_model_states\.pt")
_OPTIMIZER = re.compile(
    r"(?P<before>(?:bf16_|fp16_)?zero_pp|expp)_rank_(?P<dp>\d{1,6})_mp_rank_(?P<mp>\d{1,6})"
    r"(?P<between>_?)optim_states\.pt"  # before 0.3 without the underscore
)
_EXPERT = re.compile(
    r"(?:layer_(?P<layer>\d{1,6})_)?expert_(?P<expert>\d{1,6})_mp_rank_(?P<mp>\d{1,6})"
    r"_model_states\.pt"
)
_LAYER = re.compile(r"layer_(?P<layer>\d{1,6})-(?:(?P<rank>[a-z0-9_-]{1,99})-)?model_states\.pt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model parallel rank's model, or, with ZeRO 3, what every rank keeps of it."""

    mp: int
    dp: int | None = None

    @property
    def file(self) -> str:
        """What it is called."""
        zero = "" if self.dp is None else f"zero_pp_rank_{self.dp}_"
        return f"{zero}mp_rank_{self.mp:02d}_model_states.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """A rank's optimizer; ``before`` is ``expp`` for that of experts without ZeRO."""

    dp: int
    mp: int
    before: str = "zero_pp"
    between: str = "_"

    @property
    def file(self) -> str:
        """What it is called."""
        return f"{self.before}_rank_{self.dp}_mp_rank_{self.mp:02d}{self.between}optim_states.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """One expert of a layer; of all layers, in old checkpoints."""

    layer: int | None
    expert: int
    mp: int

    @property
    def file(self) -> str:
        """What it is called."""
        layer = "" if self.layer is None else f"layer_{self.layer}_"
        return f"{layer}expert_{self.expert}_mp_rank_{self.mp:02d}_model_states.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a pipeline; ``rank`` is ``model_00``, or "" where nothing is split."""

    layer: int
    rank: str

    @property
    def file(self) -> str:
        """What it is called."""
        rank = f"-{self.rank}" if self.rank else ""
        return f"layer_{self.layer:02d}{rank}-model_states.pt"


@dataclass(slots=True, kw_only=True)
class TagNames:
    """The files of a tag folder, each kind by its ranks."""

    models: list[Model] = field(default_factory=list)
    optimizers: list[Optimizer] = field(default_factory=list)
    expert_optimizers: list[Optimizer] = field(default_factory=list)
    experts: list[Expert] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.models, self.optimizers, self.expert_optimizers, self.experts))

    @property
    def stage_3(self) -> bool:
        """Whether it is ZeRO 3, where each rank has a piece of every weight."""
        return any(model.dp is not None for model in self.models)

    @property
    def mp_count(self) -> int:
        """How many model parallel ranks the names tell of."""
        ranks: Iterable[Model | Optimizer] = (*self.models, *self.optimizers)
        return 1 + max((one.mp for one in ranks), default=-1)

    @property
    def dp_count(self) -> int:
        """How many data parallel ranks the names tell of."""
        models = (model.dp for model in self.models if model.dp is not None)
        return 1 + max((*models, *(one.dp for one in self.optimizers)), default=-1)


def names_in(folder: Folder) -> TagNames:
    """The files of DeepSpeed in a folder, in the order of their ranks."""
    found = TagNames()
    for name in folder.files:
        if "_states.pt" in name:
            _add(found, name)
    found.models.sort(key=lambda one: (one.mp, one.dp or 0))
    found.optimizers.sort(key=lambda one: (one.mp, one.dp))
    found.expert_optimizers.sort(key=lambda one: (one.mp, one.dp))
    found.experts.sort(key=lambda one: (one.mp, -1 if one.layer is None else one.layer, one.expert))
    found.layers.sort(key=lambda one: (one.layer, one.rank))
    return found


def _add(found: TagNames, name: str) -> None:
    if model := _MODEL.fullmatch(name):
        dp = model["dp"]
        found.models.append(Model(mp=int(model["mp"]), dp=None if dp is None else int(dp)))
    elif optimizer := _OPTIMIZER.fullmatch(name):
        before, between = optimizer["before"], optimizer["between"]
        one = Optimizer(
            dp=int(optimizer["dp"]), mp=int(optimizer["mp"]), before=before, between=between
        )
        (found.expert_optimizers if before == "expp" else found.optimizers).append(one)
    elif expert := _EXPERT.fullmatch(name):
        layer = expert["layer"]
        found.experts.append(
            Expert(
                layer=None if layer is None else int(layer),
                expert=int(expert["expert"]),
                mp=int(expert["mp"]),
            )
        )
    elif at := _LAYER.fullmatch(name):
        found.layers.append(Layer(layer=int(at["layer"]), rank=at["rank"] or ""))
