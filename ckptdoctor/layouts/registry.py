"""Every layout that is known. Add one: write its module, add it here."""

from __future__ import annotations

from ckptdoctor.layouts.frameworks import (
    accelerate,
    archives,
    dcp,
    diffusers,
    fairseq,
    huggingface,
    lightning,
    pairs,
    pointers,
    rank_files,
    speechbrain,
    torchtune,
)
from ckptdoctor.layouts.frameworks.deepspeed import tags as deepspeed
from ckptdoctor.layouts.frameworks.megatron import iterations as megatron
from ckptdoctor.layouts.layout import Layout

__all__ = ["LAYOUTS"]

LAYOUTS: tuple[Layout, ...] = (
    diffusers.LAYOUT,
    accelerate.LAYOUT,
    torchtune.LAYOUT,
    huggingface.LAYOUT,
    lightning.LAYOUT,
    megatron.LAYOUT,
    dcp.LAYOUT,
    deepspeed.LAYOUT,
    speechbrain.LAYOUT,
    fairseq.LAYOUT,
    rank_files.LAYOUT,
    archives.LAYOUT,
    pairs.LAYOUT,
    pointers.LAYOUT,
)
"""The first that claims a file has it; what holds parts of others comes first."""
