"""How Hugging Face's libraries spell the name of a file of weights.

``model.safetensors``, ``pytorch_model_1.bin``, ``model.fp16-00001-of-00002.safetensors``,
``diffusion_pytorch_model.safetensors.index.fp16.json``,
``shard-00001-model-00001-of-00001.safetensors``.

Source: ``_add_variant`` of transformers and of diffusers, ``huggingface_hub/constants.py``,
``accelerate/utils/constants.py``, ``peft/utils/constants.py``,
``torch/distributed/checkpoint/_hf_utils.py``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["WeightName", "is_further", "weight_name"]

_STEM = (
    r"(?:(?:diffusion_pytorch_|pytorch_)?model(?:_\d{1,4})?|adapter_model|pytorch_lora_weights"
    r"|pytorch_model_fsdp(?:_\d{1,4})?)"
)
_VARIANT = r"(?:\.((?:fp|bf|int|float|bfloat)\d{1,2}|(?:non_|no_)?ema))?"
_KIND = r"\.(safetensors|bin)"
_PLAIN = re.compile(rf"({_STEM}){_VARIANT}{_KIND}")
_INDEX = re.compile(rf"([\w-]{{1,80}}){_VARIANT}{_KIND}\.index{_VARIANT}\.json")
_SHARD = re.compile(rf"([\w-]{{1,80}}?){_VARIANT}-(\d{{5}})-of-(\d{{5}}){_VARIANT}{_KIND}")
_SLICE = re.compile(r"shard-(\d{5})-model-(\d{5})-of-(\d{5})\.(safetensors)")
_FURTHER = re.compile(r"_(\d{1,4})$")
_ENDINGS = (".safetensors", ".bin", ".json")
_SAME_MODEL = re.compile(r"(?:diffusion_pytorch_|pytorch_)model(?=_\d|$)")


class WeightName(NamedTuple):
    """A name, taken apart.

    Attributes:
        model: which model it is of, in whatever form: ``model``, ``model_1``, ``adapter_model``.
        stem: how the name begins: ``pytorch_model``.
        variant: ``fp16``, or "".
        kind: ``safetensors`` or ``bin``.
        number: of the shard, from 1; 0 for a file that is whole and for an index.
        total: how many shards there are; 0 likewise.
        rank: whose slice it is, from 1; 0 where files hold whole tensors.
        is_index: whether it says what lies in which shard.
    """

    model: str
    stem: str
    variant: str
    kind: str
    number: int = 0
    total: int = 0
    rank: int = 0
    is_index: bool = False

    @property
    def place(self) -> int:
        """Which of several models it is of, as accelerate counts them: the first has no number."""
        number = _FURTHER.search(self.model)
        return int(number[1]) if number else 0


def is_further(model: str) -> bool:
    """Whether it is the second or a later model that accelerate was given: ``model_1``."""
    return model[-1].isdecimal()


def weight_name(name: str) -> WeightName | None:
    """What the name of a file says of the weights in it; None where it names none."""
    if not name.endswith(_ENDINGS):
        return None
    if said := _SLICE.fullmatch(name):
        rank, number, total = int(said[1]), int(said[2]), int(said[3])
        return WeightName("model", "model", "", said[4], number, total, rank)
    if said := _SHARD.fullmatch(name):
        stem, number, total = said[1], int(said[3]), int(said[4])
        variant = said[2] or said[5] or ""
        return WeightName(_model(stem), stem, variant, said[6], number, total)
    if said := _INDEX.fullmatch(name):
        variant = said[2] or said[4] or ""
        return WeightName(_model(said[1]), said[1], variant, said[3], is_index=True)
    said = _PLAIN.fullmatch(name)
    if said and not (said[3] == "bin" and said[1].startswith("model")):  # CTranslate2's model.bin
        return WeightName(_model(said[1]), said[1], said[2] or "", said[3])
    return None


def _model(stem: str) -> str:
    return _SAME_MODEL.sub("model", stem)
