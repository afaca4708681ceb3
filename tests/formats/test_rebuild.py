"""Tensors that functions of others rebuild."""

from __future__ import annotations

import pickle
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.formats import open_checkpoint
from tests.builders import rezip, save
from tests.formats.oracle import read_elements

TORCHS = b"torch._utils\n_rebuild_tensor_v2\n"
NPUS = b"torch_npu.utils.storage\n_rebuild_npu_tensor\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "a.pth", {"w": torch.arange(6.0).reshape(2, 3).t(), "epoch": 3})


def edited(path: Path, old: bytes, new: bytes) -> Checkpoint:
    """The checkpoint with other bytes in its pickle."""
    with ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        raw = archive.read(name)
    assert raw.count(old) == 1
    target = path.with_name("edited.pth")
    rezip(path, target, replace={"data.pkl": raw.replace(old, new)})
    return open_checkpoint(target)


def test_a_function_that_is_called_as_torchs_rebuilds_a_tensor(path: Path) -> None:
    checkpoint = edited(path, TORCHS, NPUS)
    (tensor,) = checkpoint.tensors
    assert (tensor.fqn, tensor.dtype, tensor.shape, tensor.stride) == (
        "w",
        "float32",
        (3, 2),
        (1, 3),
    )
    assert (
        read_elements(checkpoint.path, tensor)
        == torch.arange(6.0).reshape(2, 3).t().numpy().tobytes()
    )
    assert checkpoint.scalars == {"epoch": 3}
    assert checkpoint.problems == ()


def test_its_attributes_are_named_below_it(path: Path) -> None:
    state = pickle.dumps({"scale": 2.5}, 2)[2:-1]
    with ZipFile(path) as archive:
        (raw,) = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    end = raw.rindex(b"R")  # of the tensor; the one before is of its hooks
    checkpoint = edited(path, raw[end - 8 : end + 1], raw[end - 8 : end + 1] + state + b"b")
    assert checkpoint.scalars == {"epoch": 3}  # of torch's own, the state is of no account
    rebuilt = raw[:end].replace(TORCHS, NPUS) + b"R" + state + b"b" + raw[end + 1 :]
    checkpoint = edited(path, raw, rebuilt)
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["w"]
    assert checkpoint.scalars == {"epoch": 3, "w.scale": 2.5}


@pytest.mark.parametrize(
    ("old", "new"), [(b"K\x03K\x02\x86", b"K\x03K\xff\x85"), (b"K\x03K\x02\x86", b"K\x03]\x86")]
)
def test_other_arguments_make_no_tensor(old: bytes, new: bytes, path: Path) -> None:
    with ZipFile(path) as archive:
        (raw,) = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    checkpoint = edited(path, raw, raw.replace(TORCHS, NPUS).replace(old, new))
    assert checkpoint.tensors == ()


@pytest.mark.parametrize(
    ("new", "meant"),
    [
        (b"uorch._utils\n_rebuild_tensor_v2\n", "torch._utils._rebuild_tensor_v2"),
        (b"torch._utils\n_rebuild_tdnsor_v2\n", "torch._utils._rebuild_tensor_v2"),
        (b"torch._utils\n_rebuild_tansor_v2\n", "torch._utils._rebuild_tensor_v2"),
        (b"torch._utils\n_rebuild_tunsor_v2\n", "torch._utils._rebuild_tensor_v2"),
    ],
)
def test_a_name_with_one_bit_flipped_is_damage(new: bytes, meant: str, path: Path) -> None:
    checkpoint = edited(path, TORCHS, new)
    (problem,) = checkpoint.problems
    assert problem.code == "CD104"
    assert problem.evidence["meant"] == meant
    assert problem.message.endswith(f"which is {meant} with one bit flipped")


@pytest.mark.parametrize(
    "new",
    [
        b"torch._utils\n_rebuild_tensor_v6\n",  # another version, though one bit from v2
        b"torch._utils\n_rebuild_txnsor_v2\n",  # more than one bit
        b"torch._utils\n_rebuild_tensor_v22\n",
        b"torch\ntensor\n",
    ],
)
def test_other_names_are_other_functions(new: bytes, path: Path) -> None:
    assert edited(path, TORCHS, new).problems == ()
