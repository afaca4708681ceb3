from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles, PartRole
from ckptdoctor.layouts.frameworks.diffusers import LAYOUT
from tests.layouts.folders_of_names import claimed, claims, folder_of, index_of, prefixes, roles

INDEX = "model_index.json"
PIPELINE: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": [None, None],
    "requires_safety_checker": True,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
CHECKER = "safety_checker/model.safetensors"
TEXTS = {
    INDEX: PIPELINE,
    "unet/config.json": {"_diffusers_version": "0.42.1"},
    "text_encoder/config.json": {"model_type": "clip_text_model"},
    "scheduler/scheduler_config.json": {},
    "tokenizer/vocab.json": {},
}


def pipeline(path: Path, *names: str) -> CheckpointFiles:
    return claimed(LAYOUT, folder_of(path, *names, texts=TEXTS))


def absent(files: CheckpointFiles) -> dict[str, PartRole]:
    return {one.name: one.role for one in files.absent}


def test_one_checkpoint_of_all_components(tmp_path: Path) -> None:
    files = pipeline(tmp_path, UNET, TEXT, CHECKER)
    models = {name for name, role in roles(files).items() if role is PartRole.MODEL}
    assert models == {UNET, TEXT}
    assert roles(files)[CHECKER] is PartRole.CUSTOM
    assert prefixes(files)[UNET] == "unet."
    assert prefixes(files)[TEXT] == "text_encoder."
    assert set(TEXTS) < set(roles(files))
    assert len(roles(files)) == len(files.parts)
    assert not files.absent
    assert files.finished == INDEX


def test_weights_of_a_component_that_are_gone(tmp_path: Path) -> None:
    assert absent(pipeline(tmp_path / "a", TEXT, CHECKER)) == {UNET: PartRole.MODEL}
    assert absent(pipeline(tmp_path / "b", UNET, CHECKER)) == {TEXT: PartRole.MODEL}


def test_components_that_are_gone(tmp_path: Path) -> None:
    texts = {INDEX: PIPELINE}
    files = claimed(LAYOUT, folder_of(tmp_path, UNET, texts=texts))
    assert absent(files) == {
        "safety_checker/": PartRole.CUSTOM,
        "scheduler/": PartRole.ARGS,
        "text_encoder/": PartRole.MODEL,
        "tokenizer/": PartRole.ARGS,
    }


def test_a_shard_of_a_component(tmp_path: Path) -> None:
    shards = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    texts = TEXTS | {index: index_of({name: [name] for name in shards})}
    files = claimed(LAYOUT, folder_of(tmp_path, f"unet/{shards[0]}", TEXT, CHECKER, texts=texts))
    (lost,) = files.absent
    assert lost.name == f"unet/{shards[1]}"
    assert lost.tensors == (f"unet.{shards[1]}",)
    assert list(files.indexes[0].mapped) == [f"unet/{shards[0]}"]


def test_weights_of_another_framework_are_not_missed(tmp_path: Path) -> None:
    files = pipeline(tmp_path, UNET, "text_encoder/flax_model.msgpack", CHECKER)
    assert not files.absent


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]"])
def test_an_index_that_is_broken(tmp_path: Path, text: str) -> None:
    folder_of(tmp_path, UNET, TEXT, CHECKER)
    (tmp_path / INDEX).write_text(text)
    files = claimed(LAYOUT, tmp_path)
    (problem,) = files.problems
    assert (problem.code, problem.severity) == ("CD104", Severity.ERROR)
    assert prefixes(files)[UNET] == "unet."
    assert not files.absent


def test_an_index_that_is_gone(tmp_path: Path) -> None:
    path = folder_of(tmp_path, UNET, TEXT, texts=TEXTS)
    (path / INDEX).unlink()
    files = claimed(LAYOUT, path)
    assert absent(files) == {INDEX: PartRole.STATE}
    assert prefixes(files)[UNET] == "unet."


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    assert not claims(LAYOUT, folder_of(tmp_path, UNET))
    assert not claims(LAYOUT, folder_of(tmp_path / "texts", texts={INDEX: {"a": 1}}))
