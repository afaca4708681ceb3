"""Series of three checkpoints as each framework leaves them, and the truth about every file."""

from __future__ import annotations

from tests.layouts.folders import accelerated, deepspeeds, distributed, huggingface, others
from tests.layouts.folders.truth import Layout

__all__ = ["TWINS"]

TWINS: tuple[Layout, ...] = (
    Layout(name="transformers", build=huggingface.single),
    Layout(name="transformers-shards", build=huggingface.sharded),
    Layout(name="transformers-bin", build=huggingface.older),
    Layout(name="peft", build=huggingface.adapter),
    Layout(name="transformers-fsdp", build=distributed.trainer_fsdp),
    Layout(name="transformers-deepspeed", build=deepspeeds.trainer_zero_2),
    Layout(name="accelerate", build=accelerated.named),
    Layout(name="accelerate-numbered", build=accelerated.numbered),
    Layout(name="accelerate-fsdp", build=accelerated.fsdp),
    Layout(name="diffusers-training", build=accelerated.diffusers_training),
    Layout(name="diffusers-pipeline", build=accelerated.diffusers_pipeline),
    Layout(name="torchtune", build=accelerated.torchtune),
    Layout(name="dcp", build=distributed.one_rank),
    Layout(name="fsdp2", build=distributed.two_ranks),
    Layout(name="torchtitan", build=distributed.torchtitan),
    Layout(name="lightning-sharded", build=distributed.lightning_sharded),
    Layout(name="lightning", build=others.lightning_file),
    Layout(name="deepspeed-0", build=deepspeeds.no_zero),
    Layout(name="deepspeed-zero1", build=deepspeeds.zero_1),
    Layout(name="deepspeed-zero2", build=deepspeeds.zero_2),
    Layout(name="deepspeed-zero3", build=deepspeeds.zero_3),
    Layout(name="deepspeed-bf16", build=deepspeeds.bf16),
    Layout(name="deepspeed-experts", build=deepspeeds.experts),
    Layout(name="deepspeed-universal", build=deepspeeds.universal),
    Layout(name="megatron", build=others.megatron),
    Layout(name="megatron-pipeline", build=others.megatron_pipeline),
    Layout(name="megatron-dist", build=distributed.megatron_dist),
    Layout(name="speechbrain", build=others.speechbrain),
    Layout(name="nemo", build=others.nemo),
    Layout(name="stable-baselines3", build=others.stable_baselines),
    Layout(name="fairseq-shards", build=others.fairseq),
    Layout(name="pairs", build=others.pairs),
    Layout(name="mmengine", build=others.mmengine),
)
"""Built with torch and safetensors alone."""
