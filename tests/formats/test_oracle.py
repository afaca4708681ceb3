"""Whatever torch.load(weights_only=True) accepts, we list: same names, dtypes, shapes, bytes."""

from __future__ import annotations

import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.formats import open_checkpoint
from tests.builders import (
    DTYPES,
    load,
    load_unsafe,
    save,
    small_model,
    tensor_of,
    trained,
    training_checkpoint,
)
from tests.each import assert_each
from tests.formats.oracle import assert_same_scalars, assert_same_tensors

LAYOUTS: dict[str, dict[str, Any]] = {
    "zip": {},
    "legacy": {"_use_new_zipfile_serialization": False},
    **{f"zip protocol {p}": {"pickle_protocol": p} for p in (3, 4, 5)},
    **{
        f"legacy protocol {p}": {"pickle_protocol": p, "_use_new_zipfile_serialization": False}
        for p in (3, 4, 5)
    },
}
TWO_LAYOUTS = {name: LAYOUTS[name] for name in ("zip", "legacy")}


def check(path: Path, obj: object, **options: Any) -> None:
    save(path, obj, **options)
    try:  # protocols 4 and 5 are too new for the safe loader
        loaded = load(path) if options.get("pickle_protocol", 2) < 4 else load_unsafe(path)
    except AttributeError:  # torch 2.13 cannot read the legacy files of its newest dtypes
        loaded = obj
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert all(use.allowed and not use.runs_code for use in checkpoint.globals)
    assert_same_tensors(checkpoint, loaded)
    assert_same_scalars(checkpoint, loaded)


@pytest.fixture(params=LAYOUTS.values(), ids=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture(params=TWO_LAYOUTS.values(), ids=list(TWO_LAYOUTS))
def two_layouts(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.one_in(3)
def test_every_dtype_and_shape(tmp_path: Path, dtype: str, two_layouts: dict[str, Any]) -> None:
    def is_listed(shape: tuple[int, ...]) -> None:
        check(tmp_path / "a.pt", {"x": tensor_of(dtype, *shape)}, **two_layouts)

    assert_each([(), (0,), (5,), (2, 0, 3), (2, 3, 4)], is_listed)


def quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_channel(
            torch.arange(6.0).reshape(2, 3),
            torch.tensor([0.5, 0.25], dtype=torch.float64),
            torch.tensor([1, 2]),
            0,
            torch.qint8,
        )


def views() -> dict[str, torch.Tensor]:
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "whole": base,
        "row": base[2],
        "column": base[:, 3],
        "transposed": base.t(),
        "expanded": torch.arange(3.0)[:, None].expand(3, 5),
        "repeated scalar": torch.tensor(7.0).expand(2, 2),
        "empty slice": base[4:],
        "one element": base[1, 1],
        "step": base[::2, 1::2],
    }


def sparse() -> dict[str, torch.Tensor]:
    dense = torch.eye(4) * 3
    coo = dense.to_sparse()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "coo": coo,
            "coo again": coo,
            "coo uncoalesced": torch.sparse_coo_tensor(
                torch.tensor([[0, 0]]), torch.tensor([1.0, 2.0]), (3,), check_invariants=True
            ),
            "csr": dense.to_sparse_csr(),
            "csc": dense.to_sparse_csc(),
            "bsr": dense.to_sparse_bsr((2, 2)),
            "bsc": dense.to_sparse_bsc((2, 2)),
        }


def test_nested_tensors_by_their_parts(tmp_path: Path) -> None:  # torch's legacy writer cannot
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nested = torch.nested.nested_tensor([torch.arange(2.0), torch.arange(3.0)])
    check(tmp_path / "a.pt", {"nested": nested, "again": [nested]})


def parameters() -> dict[str, Any]:
    parameter = torch.nn.Parameter(torch.arange(4.0))
    return {
        "parameter": parameter,
        "tied": parameter,
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "in a list": [parameter, (parameter, {"deep": parameter})],
    }


def tied_in_many_ways() -> dict[str, Any]:
    tensor = torch.arange(6.0)
    per_channel = quantized()
    return {
        "a": tensor,
        "b": tensor,
        "view": tensor.view(2, 3),
        "detached": tensor.detach(),
        "quantized": per_channel,
        "quantized again": per_channel,
        "per tensor": [tensor_of("qint8", 3), tensor_of("quint8", 2)],
    }


def containers() -> dict[Any, Any]:
    return {
        0: [torch.zeros(1), {"x": torch.ones(2)}],
        -7: OrderedDict([("b", torch.ones(1)), ("a", torch.zeros(1))]),
        "tuple": (torch.zeros(1), (torch.ones(1),)),
        "empty": [[], (), {}, OrderedDict()],
        "size": torch.Size([2, 3]),
        "texts": ["", "ä€😀", "a\nb", "x" * 300],
        "numbers": [0, -1, 255, 256, 65536, 2**31, -(2**63), 2**64, 0.1, -0.0],
        "special": [float("inf"), float("-inf"), float("nan")],
        True: False,
        None: None,
        1.5: "a float key",
        ("a", 1): "a tuple key",
    }


TREES: dict[str, Callable[[], object]] = {
    "bare tensor": lambda: torch.arange(3.0),
    "bare list": lambda: [torch.arange(3.0), 1],
    "views": views,
    "sparse": sparse,
    "parameters": parameters,
    "tied": tied_in_many_ways,
    "containers": containers,
    "per channel": lambda: {"q": quantized()},
    "meta": lambda: {"meta": torch.empty(0, 4, device="meta")},
    "state dict": lambda: small_model().state_dict(),
    "training": training_checkpoint,
    "sixty dimensions": lambda: {"x": torch.ones([1] * 60)},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
@pytest.mark.one_in(3)
def test_every_kind_of_tree(
    tmp_path: Path, tree: Callable[[], object], layout: dict[str, Any]
) -> None:
    check(tmp_path / "a.pt", tree(), **layout)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.AdamW(p, foreach=False),
        lambda p: torch.optim.RMSprop(p, momentum=0.1, centered=True),
        torch.optim.Adagrad,
        torch.optim.Adadelta,
        torch.optim.Adamax,
        torch.optim.NAdam,
        torch.optim.RAdam,
        torch.optim.Rprop,
        torch.optim.ASGD,
    ],
    ids="sgd momentum amsgrad adamw rmsprop adagrad adadelta adamax nadam radam rprop asgd".split(),
)
@pytest.mark.one_in(3)
def test_every_optimizer(
    tmp_path: Path, make: Callable[[Any], torch.optim.Optimizer], two_layouts: dict[str, Any]
) -> None:
    model, optimizer = trained(make)
    check(
        tmp_path / "a.pt",
        {"model": model.state_dict(), "optimizer": optimizer.state_dict()},
        **two_layouts,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, mode="max"),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=10),
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5]),
    ],
    ids="step restarts plateau onecycle multistep".split(),
)
def test_every_scheduler(
    tmp_path: Path, make: Callable[[Any], Any], two_layouts: dict[str, Any]
) -> None:
    _, optimizer = trained(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    check(tmp_path / "a.pt", {"lr_schedulers": [make(optimizer).state_dict()]}, **two_layouts)


def test_storages_that_share_their_memory_are_one_record(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    path = save(tmp_path / "a.pt", {"head": base[:4], "tail": base[4:]})
    head, tail = open_checkpoint(path).tensors
    assert head.storage == tail.storage
    assert (head.storage_offset, tail.storage_offset) == (0, 4)
    assert head.storage is not None
    assert head.storage.nbytes == 40


# -- anything at all -----------------------------------------------------------------------------

_KEYS = st.one_of(st.text("abcxyz_ä", min_size=1, max_size=6), st.integers(-3, 300))
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8)
)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(["float32", "float16", "bfloat16", "int64", "bool", "complex64"]))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    tensor = tensor_of(dtype, *shape)
    for _ in range(draw(st.integers(0, 2))):
        how = draw(st.sampled_from(["transpose", "slice", "expand", "step", "parameter"]))
        if how == "transpose" and tensor.dim() > 1:
            tensor = tensor.transpose(0, -1)
        elif how == "slice" and tensor.dim() and tensor.shape[0] > 1:
            tensor = tensor[1:]
        elif how == "step" and tensor.dim():
            tensor = tensor[..., ::2]
        elif how == "expand":
            tensor = tensor[None].expand(2, *tensor.shape)
        elif how == "parameter":
            tensor = torch.nn.Parameter(tensor, requires_grad=False)
    return tensor


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(_KEYS, inner, max_size=4),
            st.dictionaries(_KEYS, inner, max_size=3).map(OrderedDict),
        ),
        max_leaves=12,
    )


@settings(max_examples=80, deadline=None)
@given(
    tree=_trees(st.one_of(tensors(), _SCALARS)),
    options=st.sampled_from(list(LAYOUTS.values())),
    shared=st.booleans(),
)
def test_random_trees(tree: object, options: dict[str, Any], shared: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(
            Path(folder) / "a.pt",
            {"tree": tree, "again": tree if shared and isinstance(tree, torch.Tensor) else 1},
            **options,
        )
