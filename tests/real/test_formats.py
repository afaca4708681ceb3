"""Checkpoints that others published: read by us, and by torch where torch accepts them."""

from __future__ import annotations

import math
import pickle
import warnings
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats import locate_scalars, open_checkpoint
from tests.builders import load, load_unsafe
from tests.formats.oracle import assert_same_scalars, assert_same_tensors, described, listed
from tests.real.conftest import SUFFIXES, Fetch

pytestmark = pytest.mark.real

LPIPS = "lpips==0.1.4"
FACENET = "facenet-pytorch==2.6.0"
SILERO = "silero-vad==6.2.3"
CHGNET = "chgnet==0.4.2"
SEVENN = "sevenn==0.13.0"


def pickled_text(path: Path) -> bytes:
    return path.read_bytes()[:20_000]


@pytest.mark.parametrize("version", ["v0.0", "v0.1"])
@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_lpips(fetch: Fetch, version: str, net: str) -> None:
    path = fetch(LPIPS, f"lpips/weights/{version}/{net}.pth")
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-legacy"
    assert checkpoint.problems == ()
    assert_same_tensors(checkpoint, load(path))
    assert {tensor.role for tensor in checkpoint.tensors} == {Role.MODEL}
    if version == "v0.0":
        names = {use.name for use in checkpoint.globals}
        assert "torch._utils._rebuild_tensor" in names
        assert b"cuda:0" in pickled_text(path)


@pytest.mark.parametrize("net", ["pnet", "rnet", "onet"])
def test_facenet(fetch: Fetch, net: str) -> None:
    path = fetch(FACENET, f"facenet_pytorch/data/{net}.pt")
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert_same_tensors(checkpoint, load(path))
    strides = [t.stride for t in checkpoint.tensors if len(t.shape) > 1]
    assert any(list(stride) != sorted(stride, reverse=True) for stride in strides)


def test_silero_torchscript(fetch: Fetch) -> None:
    path = fetch(SILERO, "silero_vad/data/silero_vad.jit")
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torchscript"
    assert checkpoint.problems == ()
    assert {record.deflated_nbytes is None for record in checkpoint.records} == {True, False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    ours = listed(checkpoint)
    state = described(dict(model.state_dict()))
    assert {name: ours[name] for name in state} == state


def test_silero_safetensors(fetch: Fetch) -> None:
    path = fetch(SILERO, "silero_vad/data/silero_vad_16k.safetensors")
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "safetensors"
    assert checkpoint.problems == ()
    assert listed(checkpoint) == described(safetensors.torch.load_file(path))


def test_chgnet(fetch: Fetch) -> None:
    path = fetch(CHGNET, "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar")
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-zip"
    assert checkpoint.problems == ()
    loaded = load_unsafe(path)
    assert_same_tensors(checkpoint, loaded)
    roles = {tensor.role for tensor in checkpoint.tensors}
    assert {Role.MODEL} <= roles
    assert len(checkpoint.scalars) > 10


SEVENNET = "sevenn/pretrained_potentials/SevenNet_0__22May2024/checkpoint_sevennet_0.pth"


def test_sevennet_is_read_although_torch_refuses_it(fetch: Fetch) -> None:
    path = fetch(SEVENN, SEVENNET)
    with pytest.raises(pickle.UnpicklingError, match="numpy"):
        load(path)
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert checkpoint.calls == ()
    refused = {use.name for use in checkpoint.globals if not use.allowed}
    assert any(name.startswith("numpy.") for name in refused)
    assert not any(use.runs_code for use in checkpoint.globals)
    worse = {k: v for k, v in checkpoint.scalars.items() if k.endswith("mode_worse")}
    assert worse == {"scheduler_state_dict.mode_worse": math.inf}
    assert {tensor.role for tensor in checkpoint.tensors} >= {Role.MODEL, Role.OPTIMIZER}
    assert_same_tensors(checkpoint, load_unsafe(path))


@pytest.mark.parametrize("requirement", [LPIPS, FACENET, SILERO, CHGNET, SEVENN])
def test_no_published_file_raises_an_alarm(fetch: Fetch, requirement: str) -> None:
    files = sorted(path for path in fetch(requirement, "").rglob("*") if path.suffix in SUFFIXES)
    report = examine(files)
    assert len(report.checkpoints) >= 1
    found = [f for f in report.all_findings() if f.severity > Severity.INFO]
    assert [(f.code, f.subject, f.message) for f in found] == []
    assert {c.verdict for c in report.checkpoints} == {Verdict.HEALTHY}


@pytest.mark.parametrize(
    ("requirement", "member"),
    [
        (LPIPS, "lpips/weights/v0.1/alex.pth"),
        (FACENET, "facenet_pytorch/data/pnet.pt"),
    ],
)
def test_scalars_are_those_of_torch(fetch: Fetch, requirement: str, member: str) -> None:
    path = fetch(requirement, member)
    assert_same_scalars(open_checkpoint(path), load(path))


def test_scalars_are_located_in_a_published_file(fetch: Fetch) -> None:
    path = fetch(SEVENN, SEVENNET)
    span = locate_scalars(path)["scheduler_state_dict.mode_worse"]
    assert span.value == math.inf
    raw = path.read_bytes()[span.offset : span.offset + span.nbytes]
    assert raw == b"G\x7f\xf0" + b"\0" * 6
