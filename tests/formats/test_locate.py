"""Where scalars stand in a file: writing over them in a copy changes them, and nothing else."""

from __future__ import annotations

import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import Limits, locate_scalars, open_checkpoint
from tests.builders import (
    load,
    load_unsafe,
    patched,
    rezip,
    save,
    small_model,
    tensor_of,
    training_checkpoint,
)
from tests.formats.oracle import described, named_scalars

LAYOUTS: dict[str, dict[str, Any]] = {
    "zip": {},
    "legacy": {"_use_new_zipfile_serialization": False},
    "zip protocol 5": {"pickle_protocol": 5},
    "legacy protocol 4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}


@pytest.fixture(params=LAYOUTS.values(), ids=list(LAYOUTS))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save(tmp_path / "a.pth", training_checkpoint(), **request.param)


def test_every_number_bool_and_none_is_located_under_its_path(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    tensors = {tensor.fqn for tensor in checkpoint.tensors}
    wanted = {
        name: repr(value)
        for name, value in checkpoint.scalars.items()
        if not isinstance(value, str) and name not in tensors
    }
    spans = locate_scalars(path)
    assert {name: repr(span.value) for name, span in spans.items()} == wanted
    assert len(wanted) > 20


LR = "optimizer_state_dict.param_groups.0.lr"


def test_a_learning_rate_is_edited_in_a_copy(path: Path, tmp_path: Path) -> None:
    span = locate_scalars(path)[LR]
    assert (span.nbytes, span.value) == (9, 0.001)
    copy = Path(shutil.copy(path, tmp_path / "copy.pth"))
    patched(copy, span.offset, b"G" + struct.pack(">d", 0.00075))
    before, after = load_unsafe(path), load_unsafe(copy)
    assert after["optimizer_state_dict"]["param_groups"][0]["lr"] == 0.00075
    expected = {**dict(named_scalars(before)), f".{LR}": 0.00075}
    assert dict(named_scalars(after)) == expected
    assert described(after) == described(before)
    assert open_checkpoint(copy).scalars[LR] == 0.00075


def test_an_epoch_and_a_flag_are_edited_in_a_copy(path: Path) -> None:
    spans = locate_scalars(path)
    patched(path, spans["epoch"].offset, b"K\x57")
    patched(path, spans["done"].offset, b"\x88")
    loaded = load_unsafe(path)
    assert (loaded["epoch"], loaded["done"]) == (87, True)


def test_bare_pickles_have_positions_too(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"epoch": 300, "log": [{"loss": 0.5}, None]}, 4))
    spans = locate_scalars(path)
    assert set(spans) == {"epoch", "log.0.loss", "log.1"}
    patched(path, spans["epoch"].offset, b"M" + struct.pack("<H", 301))
    assert pickle.loads(path.read_bytes())["epoch"] == 301


def test_one_value_under_two_names_has_one_span(tmp_path: Path) -> None:
    shared = [0.25]
    spans = locate_scalars(save(tmp_path / "a.pth", {"a": shared, "b": shared}))
    assert spans["a.0"] == spans["b.0"]


def test_numbers_inside_tensors_are_no_scalars(tmp_path: Path) -> None:
    """Shapes, strides, views, quantizers, devices, dtypes: nothing of them is listed."""
    tree = {
        "q": tensor_of("quint8", 2, 3),
        "s": torch.eye(3).to_sparse(),
        "p": torch.nn.Parameter(torch.ones(2)),
        "f8": tensor_of("float8_e5m2", 4),
        "meta": torch.empty(3, device="meta"),
        "device": torch.device("cuda", 1),
        "model": small_model().state_dict(),
        "x": 1,
        7: 2,
    }
    path = save(tmp_path / "a.pth", tree)
    assert {k: v.value for k, v in locate_scalars(path).items()} == {"x": 1, "7": 2}


def test_numbers_inside_arrays_are_no_scalars(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    tree = {
        "c": np.ones((2, 3)),
        "f": np.asfortranarray(np.ones((2, 3))),
        "np": np.float64(3),
        "o": np.array([1, None, "x"], dtype=object),
        "size": torch.Size([2]),
    }
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps(tree, protocol))
        checkpoint = open_checkpoint(path)
        spans = locate_scalars(path)
        assert set(spans) == {"o.0", "o.1", "size.0"}
        assert set(checkpoint.scalars) == {*spans, "np", "o.2"}


def test_old_tensors_with_views_and_number_keys_do_not_disturb(tmp_path: Path) -> None:
    from tests.formats.test_torch_legacy import FLOATS, pid, raw_legacy, tensor_pickle

    view = b"(K\x09K\x01K\x02t"
    obj = tensor_pickle(pid(b"K\x07", 4, view))[:-1] + b"X\x01\x00\x00\x00nK\x05s."
    path = tmp_path / "a.pth"
    path.write_bytes(raw_legacy(obj, [7], FLOATS))
    spans = locate_scalars(path)
    assert {name: span.value for name, span in spans.items()} == {"n": 5}
    assert path.read_bytes()[spans["n"].offset :].startswith(b"K\x05s.")


def test_a_deflated_pickle_has_no_positions(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"epoch": 1})
    deflated = rezip(path, tmp_path / "b.pth", method=zipfile.ZIP_DEFLATED)
    assert locate_scalars(deflated) == {}
    stored = rezip(path, tmp_path / "c.pth")
    span = locate_scalars(stored)["epoch"]
    assert load(patched(stored, span.offset + 1, b"\x09")) == {"epoch": 9}


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x80\x02\xff")
    with pytest.raises(CheckpointError):
        locate_scalars(tmp_path / "a.pth")
    with pytest.raises(FileNotFoundError):
        locate_scalars(tmp_path / "missing.pth", Limits())
