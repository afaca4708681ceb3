"""What torch says when it cannot take a checkpoint, each with a file that makes it say so."""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
import sys
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

__all__ = ["CASES", "Case"]

State = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An error message, and the way from it to the command.

    Attributes:
        said: a part of the message by which people search for it.
        name: of the file.
        make: writes it.
        load: does with it what raises the error.
        command: what to type, with ``FILE`` for the file and ``OTHER`` for one that is sound.
        answer: a part of what ckptdoctor then prints.
        exit_code: of that command.
        means: what happened, and what to do.
    """

    said: str
    name: str = "checkpoint.pth"
    make: Callable[[Path], object]
    load: Callable[[Path], object] = torch.load
    command: str = "ckptdoctor scan FILE"
    answer: str
    exit_code: int = 1
    means: str


def trained(width: int = 4) -> State:
    """A small training, one step old."""
    torch.manual_seed(0)
    net = torch.nn.Linear(8, width)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 8)).sum().backward()
    optimizer.step()
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}


def _saved(path: Path, state: object = None) -> bytes:
    torch.save(trained() if state is None else state, path)
    return path.read_bytes()


def _legacy(path: Path) -> bytes:
    # Weights of 40 bytes and more: the format orders its storages by their addresses in memory,
    # and whichever comes last is the one that a cut meets.
    torch.save(trained(width=16)["model"], path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


def _cut(path: Path) -> None:
    path.write_bytes(_saved(path)[:-3000])


def _cut_in_a_name(path: Path) -> None:
    data = _legacy(path)
    path.write_bytes(data[: data.index(b"bias") + 2])


def _no_header(path: Path) -> None:
    data = bytearray(_saved(path))
    name = data.index(b"/data/0")
    data[data.rindex(b"PK\x03\x04", 0, name)] = 0
    path.write_bytes(data)


def _other_name(path: Path) -> None:
    data = bytearray(_saved(path))
    data[data.rindex(b"/data/1") + 6] = ord("Z")
    path.write_bytes(data)


def _zip_of_texts(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes/readme.txt", "no checkpoint")


class _Call:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo this would have run",)


@contextmanager
def _written_on(device: str) -> Iterator[None]:
    """Let torch write storages as if they lay there; it asks each storage by this function."""
    before = torch.serialization.location_tag
    setattr(torch.serialization, "location_tag", lambda _: device)  # noqa: B010
    try:
        yield
    finally:
        torch.serialization.location_tag = before


def _on_cuda(path: Path) -> None:
    with _written_on("cuda:0"):
        _saved(path)


def _whole_model(path: Path) -> None:
    module = types.ModuleType("my_models")
    exec("import torch\nclass Net(torch.nn.Linear): ...", module.__dict__)
    module.Net.__module__ = "my_models"
    sys.modules["my_models"] = module
    try:
        torch.save(module.Net(8, 4), path)
    finally:
        del sys.modules["my_models"]


def _safetensors(path: Path) -> bytes:
    save_file(trained()["model"], path)
    return path.read_bytes()


def _nan(path: Path) -> None:
    state = trained()
    state["model"]["weight"][0] = float("nan")
    _saved(path, state)


def _as_torchscript(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its deprecation
        return torch.jit.load(path)  # type: ignore[no-untyped-call]


def _trusting(path: Path) -> object:
    return torch.load(path, weights_only=False)


def _into(path: Path, net: torch.nn.Module) -> None:
    net.load_state_dict(torch.load(path)["model"])


def _two_groups(path: Path) -> None:
    net = torch.nn.Linear(8, 4)
    groups = [{"params": [one]} for one in net.parameters()]
    torch.optim.AdamW(groups).load_state_dict(torch.load(path)["optimizer"])


def _more_parameters(path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Linear(4, 4))
    torch.optim.AdamW(net.parameters()).load_state_dict(torch.load(path)["optimizer"])


def _one_step(path: Path) -> None:
    net = torch.nn.Linear(8, 4)
    _into(path, net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            net(torch.ones(1, 8)).sigmoid().log().sum().backward()


def _prefixed(path: Path) -> None:
    state = trained()
    state["model"] = {f"module.{name}": value for name, value in state["model"].items()}
    _saved(path, state)


_LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"

CASES = (
    Case(
        said="PytorchStreamReader failed reading zip archive: failed finding central directory",
        make=_cut,
        answer="CD102",
        means="The file was cut: a full disk, a copy or a save that was interrupted. What stands "
        "before the cut is whole; `scan` says whether the weights are among it, and the screen "
        "names the command that saves them.",
    ),
    Case(
        said="PytorchStreamReader failed reading file data/0: invalid header or archive is "
        "corrupted",
        make=_no_header,
        answer="CD104",
        means="Bytes inside the archive were overwritten. `scan` names the tensors that are lost.",
    ),
    Case(
        said="PytorchStreamReader failed locating file data/1: file not found",
        make=_other_name,
        answer="CD104",
        means="A record is missing from the archive, or its name was damaged.",
    ),
    Case(
        said="PytorchStreamReader failed locating file constants.pkl: file not found",
        make=_saved,
        load=_as_torchscript,
        command="ckptdoctor inspect FILE",
        answer="torch-zip",
        exit_code=0,
        means="Nothing is wrong with the file: it was written by `torch.save` and read by "
        "`torch.jit.load`. Use `torch.load`; `inspect` shows what is in it.",
    ),
    Case(
        said='Expected hasRecord("version") to be true, but got false',
        make=_zip_of_texts,
        answer="a zip archive that holds",
        means="A zip archive of something else. `scan` says of what.",
    ),
    Case(
        said="unexpected EOF, expected 40 more bytes. The file might be corrupted.",
        make=lambda path: path.write_bytes(_legacy(path)[:-40]),
        answer="CD102",
        means="A file of the old format that was cut. Most tensors are whole.",
    ),
    Case(
        said="pickle data was truncated",
        make=_cut_in_a_name,
        load=_trusting,
        answer="before the first tensor",
        means="The file was cut before its first tensor: nothing in it can be saved. Take an "
        "earlier one; `ckptdoctor rank` on the folder says which.",
    ),
    Case(
        said="Invalid magic number; corrupt file?",
        make=lambda path: path.write_bytes(pickle.dumps({"best_iou": 0.64})),
        load=_trusting,
        command="ckptdoctor inspect FILE",
        answer="no tensor at all",
        exit_code=0,
        means="A plain pickle, which `torch.save` did not write. `inspect` shows what is in it.",
    ),
    Case(
        said="Ran out of input",
        make=lambda path: path.write_bytes(b""),
        load=lambda path: pickle.loads(path.read_bytes()),
        answer="an empty file",
        means="The file is empty: the save was interrupted, or the disk was full. `torch.load` "
        "raises an `EOFError` then, with these words or none.",
    ),
    Case(
        said="invalid load key, '<'",
        make=lambda path: path.write_text("<!doctype html><title>Sign in</title>"),
        load=_trusting,
        answer="an HTML page titled 'Sign in'",
        means="A page of a web site in place of the file: the download failed.",
    ),
    Case(
        said="invalid load key, 'v'",
        make=lambda path: path.write_text(_LFS),
        load=_trusting,
        answer="git lfs pull",
        means="A pointer of git-lfs: the file itself was never fetched.",
    ),
    Case(
        said="invalid load key, '\\x1f'",
        make=lambda path: path.write_bytes(gzip.compress(_saved(path))),
        load=_trusting,
        answer="gunzip",
        means="The file is compressed; unpack it first.",
    ),
    Case(
        said="Weights only load failed",
        make=lambda path: _saved(path, {**trained(), "args": argparse.Namespace(lr=0.1)}),
        answer="CD105",
        exit_code=0,
        command="ckptdoctor inspect FILE",
        means="torch refuses a class that is not on its list; `inspect` and `scan -v` name it "
        "without loading the file. A file with plain values alone: `ckptdoctor restore --from FILE "
        "--weights-only`.",
    ),
    Case(
        said="Weights only load failed",
        make=lambda path: _saved(path, {**trained(), "hook": _Call()}),
        answer="CD106",
        means="The same words for a file that **runs code** when it is loaded. `scan` spells the "
        "call out. Never answer this message by `weights_only=False` before you have looked.",
    ),
    Case(
        said="No module named 'my_models'",
        make=_whole_model,
        load=_trusting,
        command="ckptdoctor inspect FILE",
        answer="weight",
        exit_code=0,
        means="A whole model was pickled, and its code is not here. `inspect` reads the tensors "
        "without it; `ckptdoctor restore --from FILE --to safetensors` writes them out.",
    ),
    Case(
        said="Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
        "False",
        make=_on_cuda,
        answer="healthy",
        exit_code=0,
        means="Nothing is wrong with the file: load it with `map_location='cpu'`. ckptdoctor needs "
        "no GPU.",
    ),
    Case(
        said="size mismatch for weight: copying a param with shape torch.Size([4, 8]) from "
        "checkpoint, the shape in current model is torch.Size([5, 8])",
        make=_saved,
        load=lambda path: _into(path, torch.nn.Linear(8, 5)),
        command="ckptdoctor diff FILE OTHER",
        answer="reshaped",
        exit_code=0,
        means="The model was built with other sizes, such as another number of classes. `diff` "
        "against a file of the model that you build lists every tensor with another shape.",
    ),
    Case(
        said="Missing key(s) in state_dict",
        make=_prefixed,
        load=lambda path: _into(path, torch.nn.Linear(8, 4)),
        command="ckptdoctor restore --from FILE --strip-prefix module.",
        answer="module.",
        exit_code=0,
        means="The names have another prefix: the file was saved from `DataParallel`, or from "
        "`torch.compile` (`_orig_mod.`). `restore --strip-prefix` writes a file without it.",
    ),
    Case(
        said="loaded state dict contains a parameter group that doesn't match the size of "
        "optimizer's group",
        make=_saved,
        load=_more_parameters,
        command="ckptdoctor inspect FILE -t '*exp_avg'",
        answer="exp_avg",
        exit_code=0,
        means="The optimizer of the file is for another number of parameters: the model has grown, "
        "or parameters were frozen. `inspect` shows what it holds; `ckptdoctor restore --from FILE "
        "--weights-only` writes a file without it.",
    ),
    Case(
        said="loaded state dict has a different number of parameter groups",
        make=_saved,
        load=_two_groups,
        command="ckptdoctor restore --from FILE --weights-only",
        answer="wrote",
        exit_code=0,
        means="The optimizer was built with other groups, such as weight decay apart. Build it as "
        "it was, or go on from the weights alone.",
    ),
    Case(
        said="returned nan values in its 0th output",
        make=_nan,
        load=_one_step,
        answer="CD201",
        means="The backward pass met NaN. `scan` says whether it is in the weights already, and in "
        "which file it is not; [the guard](guard.md) keeps it out of them.",
    ),
    Case(
        said="Error while deserializing header: incomplete metadata, file not fully covered",
        name="model.safetensors",
        make=lambda path: path.write_bytes(_safetensors(path)[:-10]),
        load=load_file,
        answer="CD102",
        means="A safetensors file that was cut.",
    ),
    Case(
        said="Error while deserializing header: invalid header length",
        name="model.safetensors",
        make=lambda path: path.write_bytes(_safetensors(path)[:20]),
        load=load_file,
        answer="ends inside its header",
        means="The same, cut in its first bytes.",
    ),
    Case(
        said="Error while deserializing header: header too large",
        name="model.safetensors",
        make=lambda path: path.write_text(_LFS),
        load=load_file,
        answer="git lfs pull",
        means="No safetensors file: a pointer of git-lfs, or a page. `scan` says which.",
    ),
)
