from __future__ import annotations

from ckptdoctor.layouts.weights.names import WeightName, weight_name
from tests.each import each


@each(
    ("name", "said"),
    [
        ("model.safetensors", WeightName("model", "model", "", "safetensors")),
        ("pytorch_model.bin", WeightName("model", "pytorch_model", "", "bin")),
        ("pytorch_model_2.bin", WeightName("model_2", "pytorch_model_2", "", "bin")),
        ("model.fp16.safetensors", WeightName("model", "model", "fp16", "safetensors")),
        (
            "pytorch_model_fsdp.bin",
            WeightName("pytorch_model_fsdp", "pytorch_model_fsdp", "", "bin"),
        ),
        (
            "diffusion_pytorch_model.non_ema.bin",
            WeightName("model", "diffusion_pytorch_model", "non_ema", "bin"),
        ),
        (
            "model-00002-of-00009.safetensors",
            WeightName("model", "model", "", "safetensors", number=2, total=9),
        ),
        (
            "model.bf16-00002-of-00009.safetensors",
            WeightName("model", "model", "bf16", "safetensors", number=2, total=9),
        ),
        (
            "shard-00003-model-00001-of-00002.safetensors",
            WeightName("model", "model", "", "safetensors", number=1, total=2, rank=3),
        ),
        (
            "pytorch_model.bin.index.json",
            WeightName("model", "pytorch_model", "", "bin", is_index=True),
        ),
        (
            "model.safetensors.index.fp16.json",
            WeightName("model", "model", "fp16", "safetensors", is_index=True),
        ),
    ],
)
def test_what_a_name_says(name: str, said: WeightName) -> None:
    assert weight_name(name) == said


@each(
    "name",
    [
        *(
            "model.pt",
            "model.old.safetensors",
            "model_best.safetensors",
            "my_model.bin",
            "model.bin",
        ),
        *("optimizer.bin", "training_args.bin", "config.json", "lora.safetensors", ".safetensors"),
        *("model-1-of-2.safetensors", "unet.safetensors", "model.safetensors.part"),
    ],
)
def test_names_that_say_nothing(name: str) -> None:
    assert weight_name(name) is None
