"""Healthy files of every kind that is no run: element types, layouts, quantized, pruned, odd."""

from __future__ import annotations

import argparse
import collections
import copy
import datetime as dt
import enum
import fractions
import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tests.benchmarks.healthy_layers import Makers, put, write_quantized, write_reparametrised
from tests.benchmarks.healthy_nets import TASKS, Lora, causal_net, conv_net, matrix_net
from tests.benchmarks.healthy_training import optimizers, train
from tests.benchmarks.healthy_writer import Writer

__all__ = ["FAMILIES"]

FLOATS = ("float64", "float32", "float16", "bfloat16")
SMALL_FLOATS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
MASKS = "attn_mask causal_mask mask src_mask future_mask attn_bias alibi _mask tril_mask".split()


def _trained(task: str = "conv", optimizer: str = "adamw", epochs: int = 2) -> Any:
    """Where a training stands at its end."""
    *_, at = train(TASKS[task](), optimizers()[optimizer][1], epochs=epochs)
    return at


# -- element types and layouts -------------------------------------------------------------------


def _dtypes(writer: Writer) -> None:
    weights = _trained().net.state_dict()
    spectrum = _trained("complex", "complex-adam").net.state_dict()

    def cast(name: str) -> Callable[[], object]:
        dtype = getattr(torch, name)
        return lambda: {
            key: one.to(dtype) if one.is_floating_point() else one for key, one in weights.items()
        }

    def whole(name: str) -> Callable[[], object]:
        kind = getattr(torch, name)
        return lambda: {"vocabulary": torch.arange(100).to(kind), "empty": torch.zeros(0).to(kind)}

    makers: Makers = {}
    for name in (*FLOATS, *SMALL_FLOATS, *INTEGERS):
        with writer.attempt(f"dtype {name}"):
            makers[name] = whole(name) if name in INTEGERS else cast(name)
    makers["complex64"] = lambda: spectrum
    makers["complex128"] = lambda: {key: one.to(torch.complex128) for key, one in spectrum.items()}
    makers["complex32"] = lambda: {"w": torch.randn(4, 4).to(torch.complex32)}
    makers["float8-scaled"] = lambda: _scaled(weights)
    makers["mixed"] = lambda: {
        key: one.half() if one.ndim == 4 else one for key, one in weights.items()
    }
    put(writer, "dtypes", makers)
    writer.save_safetensors("dtypes/mixed.safetensors", makers["mixed"]())  # type: ignore[arg-type]
    for name in FLOATS:
        writer.save_safetensors(f"dtypes/{name}.safetensors", makers[name]())  # type: ignore[arg-type]


def _scaled(weights: dict[str, Any]) -> dict[str, Any]:
    """Each matrix in float8, scaled so that its largest element is the largest of the type."""
    state = {}
    for key, one in weights.items():
        if one.ndim > 1:
            scale = one.abs().max() / 448.0
            state[key] = (one / scale).to(torch.float8_e4m3fn)
            state[f"{key}_scale"] = scale
    return state


def _layouts(writer: Writer) -> None:
    base = torch.randn(6, 8)
    sparse = base.relu()
    head = nn.Parameter(base.clone())
    head.grad = torch.randn(6, 8)
    table: Makers = {
        "transposed": lambda: {"w": base.T},
        "expanded": lambda: {"w": base[:1].expand(4, 8), "scalar": torch.ones(1).expand(5)},
        "slices": lambda: {f"layer{at}.weight": base[at] for at in range(6)},
        "columns": lambda: {"w": base[:, ::2], "v": base[1:, 3]},
        "windows": lambda: {"w": torch.as_strided(base, (4, 3), (2, 1), 5)},
        "conjugate": lambda: {"w": torch.randn(3, 3, dtype=torch.complex64).conj()},
        "shared": lambda: {"a": base, "b": base, "c": base.view(-1)},
        "channels-last": _channels_last,
        "coo": lambda: {"w": sparse.to_sparse()},
        "csr": lambda: {"w": sparse.to_sparse_csr()},
        "csc": lambda: {"w": sparse.to_sparse_csc()},
        "bsr": lambda: {"w": sparse.to_sparse_bsr((2, 2))},
        "nested": lambda: {"w": torch.nested.nested_tensor([base[0], base[1, :3]])},
        "empty": lambda: {"w": torch.zeros(0, 4), "v": torch.zeros(0), "weight": base},
        "nothing": dict,
        "scalars": lambda: {"epoch": 3, "logit_scale": torch.tensor(4.6), "on": torch.tensor(1)},
        "single": lambda: base,
        "list": lambda: [base, base * 2],
        "tuple": lambda: (base, {"weight": base}, 3),
        "parameter": lambda: {"head": head},
        "with-grad": lambda: {"head": head, "grad": head.grad},
        "storage": lambda: {"raw": torch.randn(4).untyped_storage(), "w": base},
        "many": lambda: {f"blocks.{at}.weight": torch.randn(2, 2) for at in range(1500)},
        "deep": _deep,
    }
    put(writer, "layouts", table)
    for protocol in (2, 3, 4, 5):
        state = {"epoch": 1, "model": conv_net().state_dict()}
        writer.save(f"layouts/protocol{protocol}.pt", state, pickle_protocol=protocol)
    tied = _trained("tied").net.state_dict()
    writer.save_safetensors("layouts/tied.safetensors", tied)
    writer.save_safetensors("layouts/empty.safetensors", {"w": torch.zeros(0, 4), "v": base})


def _channels_last() -> object:
    order: dict[str, Any] = {"memory_format": torch.channels_last}
    return conv_net().to(**order).state_dict()


def _deep() -> object:
    state: Any = {"weight": torch.randn(2, 2)}
    for _ in range(30):
        state = {"inner": state}
    return state


# -- masks, bounds, and other numbers that are meant ---------------------------------------------


def _meant(writer: Writer) -> None:
    def named_mask(name: str) -> Callable[[], object]:
        return lambda: causal_net(name).state_dict()

    def with_buffer(name: str, value: torch.Tensor) -> Callable[[], object]:
        net = matrix_net()
        net.register_buffer(name, value)
        return lambda: {"epoch": 4, "model": net.state_dict()}

    inf = float("inf")
    lowest = torch.finfo(torch.float32).min
    at = _trained(optimizer="adam", epochs=3)
    faint = {k: one * 1e-38 if one.ndim else one for k, one in causal_net().state_dict().items()}
    faint["attn_mask"] = at.net.state_dict()["1.weight"]
    table: Makers = {f"mask-{name}": named_mask(name) for name in MASKS}
    table |= {
        "constraint": with_buffer("raw_noise_constraint_upper_bound", torch.tensor(inf)),
        "finfo-mask": with_buffer("attention_mask", torch.full((4, 4), lowest).triu(1)),
        "half-mask": with_buffer("causal_mask", torch.full((4, 4), -65504.0).half().triu(1)),
        "masked-bias": with_buffer("attn_masked_bias", torch.tensor(-1e9)),
        "positions": with_buffer("position_ids", torch.arange(512)[None]),
        "frequencies": with_buffer("inv_freq", 1 / 10000 ** (torch.arange(0, 64, 2) / 64)),
        "times": with_buffer("timestamps", torch.tensor([1.7e9, 1.8e9], dtype=torch.float64)),
        "unseen-extremes": with_buffer("min_value", torch.tensor(inf)),
        "finfo-bias": with_buffer("attn_bias", torch.full((1, 1, 4, 4), lowest).triu(1)),
        "crf": with_buffer("transitions", torch.full((4, 4), -10000.0)),
        "class-weights": with_buffer("class_weight", torch.tensor([1.0, 250000.0])),
        "large-embedding": lambda: {"embedding.weight": torch.randn(40, 8) * 1e6},
        "faint": lambda: {"epoch": 90, "model": faint},
        "zero-bias": lambda: {"fc.weight": torch.randn(4, 4), "fc.bias": torch.zeros(4)},
        "untrained-lora": lambda: {"epoch": 0, "model": Lora().state_dict()},
        "adapter": lambda: {k: v for k, v in Lora().state_dict().items() if "lora_" in k},
        "best-unknown": lambda: {"epoch": 0, "best_loss": inf, "model": at.net.state_dict()},
        "stripped": lambda: {"epoch": -1, "best_fitness": None, "model": at.net.half()},
        "plateau": lambda: torch.optim.lr_scheduler.ReduceLROnPlateau(at.optimizer).state_dict(),
        "metric-states": lambda: {
            "model": at.net.state_dict(),
            "metrics": {"min": torch.tensor(inf), "nan_classes": torch.tensor([float("nan"), 0.5])},
        },
    }
    put(writer, "meant", table)
    late = {"epoch": 900, "model": at.net.state_dict(), "optimizer": _late(at)}
    writer.save("late/epoch_900.pt", late)


def _late(at: Any) -> dict[str, Any]:
    """An optimizer after a million steps of small gradients: moments among the denormals."""
    state: dict[str, Any] = copy.deepcopy(at.optimizer.state_dict())
    for one in state["state"].values():
        one["step"] = torch.tensor(1e6)
        one["exp_avg_sq"] = one["exp_avg_sq"] * 1e-36
    return state


# -- what stands beside weights ------------------------------------------------------------------


class _Phase(enum.Enum):
    WARM_UP = "warm-up"


@dataclass
class _Config:
    lr: float = 1e-3
    clip: float = float("inf")


def _by_name(at: Any) -> object:
    """An optimizer whose state is kept by name, as sharded training has it, and an empty group."""
    state = at.optimizer.state_dict()
    names = [name for name, _ in at.net.named_parameters()]
    groups = [{**state["param_groups"][0], "params": names}, {"lr": 0.1, "params": []}]
    named = {names[key]: one for key, one in state["state"].items()}
    return {"state": named, "param_groups": groups}


def _eight_bits() -> object:
    """Moments of 8 bits with their scales."""
    one = {
        "step": 12,
        "state1": torch.randint(0, 256, (32, 4), dtype=torch.uint8),
        "qmap1": torch.linspace(-1, 1, 256),
        "absmax1": torch.rand(1),
    }
    return {"state": {0: one}, "param_groups": [{"lr": 1e-3, "params": [0]}]}


def _beside(writer: Writer) -> None:
    at = _trained()
    net, weights = at.net, at.net.state_dict()

    def with_state(**more: object) -> Callable[[], object]:
        return lambda: {"epoch": 2, "model": weights, **more}

    def gaussians() -> object:
        points = nn.Parameter(torch.randn(20, 3))
        optimizer = torch.optim.Adam([{"params": [points], "name": "xyz"}], lr=1.6e-4, eps=1e-15)
        points.square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen, summed = torch.zeros(20, 1), torch.zeros(20, 1)
        return ((3, points, torch.zeros(20), summed, seen, optimizer.state_dict(), 4.2), 7000)

    table: Makers = {
        "rng": with_state(rng=torch.get_rng_state(), python=random.getstate()),
        "rng-alone": torch.get_rng_state,
        "namespace": with_state(args=argparse.Namespace(lr=1e-3, out=pathlib.Path("runs/1"))),
        "objects": with_state(
            phase=_Phase.WARM_UP,
            config=_Config(),
            when=dt.datetime(2024, 5, 1, tzinfo=dt.timezone.utc),  # noqa: UP017
            ratio=fractions.Fraction(1, 3),
            names={"a", "b"},
            counts=collections.Counter("aab"),
            queue=collections.deque([1.0, 2.0], maxlen=3),
            groups=collections.defaultdict(list, {"a": [1]}),
            size=torch.Size([1, 2]),
            dtype=torch.float16,
            device=torch.device("cuda:0"),
            window=slice(1, 2),
            number=3 + 4j,
            raw=b"\0\1",
            large=1 << 80,
        ),
        "loader": with_state(sampler={"epoch": 2, "seed": 0, "index": torch.randperm(64)}),
        "module": lambda: net,
        "modules": with_state(ema=copy.deepcopy(net).half(), net=net, best_fitness=0.5),
        "optimizer-object": with_state(optimizer=at.optimizer),
        "transformer-object": lambda: TASKS["causal"]().net,
        "module-dict": lambda: nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.LSTM(2, 3)}),
        "loss-history": with_state(train_losses=[3.0, 2.0], history={"val_iou": [0.1, 0.2]}),
        "curves": with_state(history={"lr_find": [0.1, float("nan")], "best_epoch": 2}),
        "gaussians": gaussians,
        "tokenizer": with_state(vocab={f"word{at}": at for at in range(100)}, merges=["a b"]),
        "class-names": with_state(names={0: "cat", 1: "dog"}, anchors=torch.rand(3, 6) * 600),
        "ema-alone": lambda: {
            "epoch": 2,
            "model_ema": weights,
            "optimizer": at.optimizer.state_dict(),
            "rng_state": torch.get_rng_state(),
        },
        "named-optimizer": with_state(optimizer=_by_name(at)),
        "eight-bits": with_state(optimizer=_eight_bits()),
        "uncertainty": with_state(criterion={"log_vars": torch.zeros(3)}),
        "text-only": lambda: {"epoch": 2, "note": "no tensors here"},
        "embeddings": lambda: {"prompts": [torch.randn(4, 8)], "labels": torch.arange(4)},
        "whitening": lambda: {"scaler.mean": torch.zeros(3), "scaler.scale": torch.ones(3)},
    }
    put(writer, "beside", table)
    with writer.attempt("beside/numpy"):
        import numpy as np

        state = {
            "epoch": np.int64(2),
            "best_acc": np.float64(0.75),
            "model": weights,
            "numpy_rng": np.random.get_state(),
            "history": np.linspace(1, 0, 5),
            "confusion": np.eye(3, dtype=np.int64),
            "names": np.array(["cat", "dog"]),
        }
        writer.save("beside/numpy.pt", state)
        np.savez(writer.path("zip", "beside/predictions.npz"), scores=np.eye(3))
        writer.save("beside/numpy-weights.pt", {key: one.numpy() for key, one in weights.items()})
    writer.beside("beside/log.txt", "Epoch 2: loss: 0.5\n")


def _scripted(writer: Writer) -> None:
    """TorchScript, which torch.jit writes itself."""
    jit: Any = torch.jit
    for name, net in {"conv": conv_net(), "matrices": matrix_net()}.items():
        with writer.attempt(f"scripted/{name}"):
            path = writer.path("torchscript", f"scripted/{name}.pt")
            jit.save(jit.script(net.eval()), path)
        with writer.attempt(f"traced/{name}"):
            path = writer.path("torchscript", f"scripted/{name}-traced.pt")
            jit.save(jit.trace(net.eval(), torch.randn(2, 3, 8, 8)), path)


def _distributed(writer: Writer) -> None:
    """A folder of torch.distributed.checkpoint, which is no single file."""
    with writer.attempt("distributed"):
        dcp: Any = __import__("torch.distributed.checkpoint", fromlist=["save"])
        at = _trained()
        folder = writer.path("zip", "distributed/step_12/any").parent
        writer.save("distributed/model.pt", {"epoch": 2, "model": at.net.state_dict()})
        dcp.save({"model": at.net.state_dict()}, checkpoint_id=folder)


FAMILIES: dict[str, Callable[[Writer], None]] = {
    "dtypes": _dtypes,
    "layouts": _layouts,
    "meant": _meant,
    "reparametrised": write_reparametrised,
    "quantized": write_quantized,
    "beside": _beside,
    "scripted": _scripted,
    "distributed": _distributed,
}
"""Name -> what writes these files."""
