"""Layers whose parameters are not stored as they are: normed, pruned, quantized, packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.benchmarks.healthy_nets import TASKS, conv_net, matrix_net
from tests.benchmarks.healthy_training import train
from tests.benchmarks.healthy_writer import Writer

__all__ = ["Makers", "put", "write_quantized", "write_reparametrised"]

Makers = dict[str, Callable[[], object]]


def put(writer: Writer, folder: str, makers: Makers, *, every: int = 3) -> None:
    """A file for each maker; one that this torch cannot run is noted."""
    for name, make in writer.share(makers, every).items():
        with writer.attempt(f"{folder}/{name}"):
            writer.save(f"{folder}/{name}.pt", make())


def write_reparametrised(writer: Writer) -> None:
    def trained_with(change: Callable[[nn.Module], object]) -> Callable[[], object]:
        def make() -> object:
            task = TASKS["matrices"]()
            assert isinstance(task.net, nn.Sequential)
            change(task.net[1])
            *_, at = train(task, lambda p: torch.optim.Adam(p, lr=1e-3), epochs=2, decay=None)
            return {
                "epoch": at.number,
                "model": at.net.state_dict(),
                "optimizer": at.optimizer.state_dict(),
            }

        return make

    def pruned_for_good(layer: Any) -> None:
        prune.l1_unstructured(layer, "weight", 0.5)
        prune.remove(layer, "weight")

    prune: Any = __import__("torch.nn.utils.prune", fromlist=["remove"])
    renamed: Any = nn.utils.parametrizations
    table: Makers = {
        "weight-norm": trained_with(nn.utils.weight_norm),
        "weight-norm-new": trained_with(renamed.weight_norm),
        "spectral-norm": trained_with(nn.utils.spectral_norm),
        "spectral-norm-new": trained_with(renamed.spectral_norm),
        "orthogonal": trained_with(renamed.orthogonal),
        "l1-pruned": trained_with(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)),
        "random-pruned": trained_with(lambda layer: prune.random_unstructured(layer, "weight", 9)),
        "structured": trained_with(lambda layer: prune.ln_structured(layer, "weight", 0.5, 2, 0)),
        "identity-pruned": trained_with(lambda layer: prune.identity(layer, "weight")),
        "pruned-for-good": trained_with(pruned_for_good),
    }
    put(writer, "reparametrised", table)


def write_quantized(writer: Writer) -> None:
    q: Any = __import__("torch.ao.quantization", fromlist=["prepare"])
    images = torch.randn(8, 3, 8, 8)

    def eager(*, steps: int, convert: bool, training: bool) -> Callable[[], object]:
        def make() -> object:
            net = nn.Sequential(q.QuantStub(), nn.Conv2d(3, 8, 3), nn.ReLU(), q.DeQuantStub())
            backend = torch.backends.quantized.engine
            kind = q.get_default_qat_qconfig if training else q.get_default_qconfig
            net.qconfig = kind(backend if backend != "none" else "x86")
            net.train(training)
            ready = (q.prepare_qat if training else q.prepare)(net)
            for _ in range(steps):
                ready(images)
            return q.convert(ready.eval()).state_dict() if convert else ready.state_dict()

        return make

    def packed() -> dict[str, Any]:
        return {
            "layer.qweight": torch.randint(-(2**31), 2**31 - 1, (4, 16), dtype=torch.int32),
            "layer.qzeros": torch.full((1, 2), 0x77777777, dtype=torch.int32),
            "layer.scales": torch.rand(1, 16).half() * 0.01,
            "layer.g_idx": torch.zeros(32, dtype=torch.int32),
            "nibbles.weight": torch.randint(0, 256, (16, 8), dtype=torch.uint8),
            "nibbles.absmax": torch.rand(4) + 0.1,
            "nibbles.quant_map": torch.linspace(-1, 1, 16),
        }

    wide = torch.randn(8, 16)
    table: Makers = {
        "dynamic": lambda: q.quantize_dynamic(matrix_net(), {nn.Linear}).state_dict(),
        "dynamic-module": lambda: q.quantize_dynamic(matrix_net(), {nn.Linear}),
        "prepared": eager(steps=0, convert=False, training=False),
        "calibrated": eager(steps=3, convert=False, training=False),
        "static": eager(steps=3, convert=True, training=False),
        "qat-prepared": eager(steps=0, convert=False, training=True),
        "qat-trained": eager(steps=3, convert=False, training=True),
        "qat": eager(steps=3, convert=True, training=True),
        "per-tensor": lambda: {"w": torch.quantize_per_tensor(wide, 0.05, 3, torch.quint8)},
        "per-channel": lambda: {
            "w": torch.quantize_per_channel(
                wide, torch.rand(8) / 9 + 0.01, torch.zeros(8), 0, torch.qint8
            )
        },
        "four-bits": lambda: {
            "w": torch.quantize_per_channel(
                *(wide, torch.rand(8) + 0.1, torch.zeros(8), 0, torch.quint4x2)
            )
        },
        "packed": packed,
        "mxfp4": lambda: {
            "blocks": torch.randint(0, 256, (8, 16), dtype=torch.uint8),
            "scales": torch.randint(110, 130, (8,), dtype=torch.uint8),
        },
    }
    with writer.attempt("quantized/fx"):
        fx: Any = __import__("torch.ao.quantization.quantize_fx", fromlist=["prepare_fx"])
        for name, calibrated in (("fx-prepared", False), ("fx-calibrated", True)):
            ready = fx.prepare_fx(conv_net().eval(), q.get_default_qconfig_mapping(), (images,))
            if calibrated:
                ready(images)
            table[name] = ready.state_dict
            if calibrated:
                table["fx"] = fx.convert_fx(ready).state_dict
    put(writer, "quantized", table)
    writer.save_safetensors("quantized/packed.safetensors", packed())
