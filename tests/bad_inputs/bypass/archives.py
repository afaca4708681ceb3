"""Code where it is not looked for: in files within files, in records that only torch prefers."""

from __future__ import annotations

import functools
import io
import json
import pickle
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.bad_inputs.bypass.carriers import MAGIC, beside_weights, in_legacy, sound_pickle, zipped
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of, shell
from tests.bad_inputs.bypass.payloads import hostile_array, nested
from tests.bad_inputs.good import tar_bytes, zip_bytes
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, push, with_state
from tests.builders import central_entries

__all__ = ["ARCHIVES"]

_LOAD = named("torch.storage", "_load_from_bytes")
_made = Catalogue(Loader.TORCH)


def _run(canary: Path) -> Opcodes:
    return call(named("posix", "system"), shell(canary))


def _rewritten(names: dict[str, str], replace: dict[str, bytes]) -> bytes:
    """The sound archive with other names and contents."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(zip_bytes())) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for info in old.infolist():
            data = replace.get(info.filename, old.read(info))
            new.writestr(names.get(info.filename, info.filename), data)
    return out.getvalue()


# -- zip -----------------------------------------------------------------------------------------


@_made.add("the only pickle, in capitals", "records that torch prefers")
def _(canary: Path) -> bytes:
    evil = b"\x80\x02" + _run(canary) + b"0" + sound_pickle()
    return _rewritten({"archive/data.pkl": "archive/DATA.PKL"}, {"archive/data.pkl": evil})


@_made.add("a directory that points into another record", "records that overlap")
def _(canary: Path) -> bytes:
    evil = b"\x80\x02" + _run(canary) + b"0" + sound_pickle()
    name = b"archive/data.pkl"
    header = struct.pack(
        "<4s5H3I2H",
        b"PK\x03\x04",
        20,
        0,
        0,
        0,
        33,
        zlib.crc32(evil),
        len(evil),
        len(evil),
        len(name),
        0,
    )
    data = bytearray(zipped(canary, append=[("archive/data/9", header + name + evil)]))
    entry = central_entries(bytes(data))["archive/data.pkl"]
    struct.pack_into("<3I", data, entry + 16, zlib.crc32(evil), len(evil), len(evil))
    struct.pack_into("<I", data, entry + 42, data.index(header))
    return bytes(data)


@_made.add("an archive that is cut behind the name of exec", "an audit: damage", loader=Loader.NONE)
def _(canary: Path) -> bytes:
    evil = b"\x80\x02" + call(named("builtins", "exec"), python_of(canary)) + b"0" + sound_pickle()
    data = _rewritten({}, {"archive/data.pkl": evil})
    return data[: data.index(b"exec") + 8]


@_made.add("protocol 5 throughout", "protocols")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    torch.save({"epoch": 1, "a": hostile_array(canary), "w": torch.ones(3)}, out, pickle_protocol=5)
    return out.getvalue()


def _script(canary: Path, spelled: bytes, renamed: tuple[str, str]) -> bytes:
    """A program that opens a file for writing when it is loaded."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.path = str(canary)
            self.steps = torch.zeros(1)

        @torch.jit.export
        def __getstate__(self):  # type: ignore[no-untyped-def]
            return (self.path, self.training)

        @torch.jit.export
        def __setstate__(self, state: tuple[str, bool]):  # type: ignore[no-untyped-def]
            self.path = state[0]
            self.training = state[1]
            self.steps = torch.from_file(self.path, True, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripts are on their way out
        torch.jit.save(torch.jit.script(Net()), out)
    with zipfile.ZipFile(out) as made:
        contents = {info.filename: made.read(info) for info in made.infolist()}
    (program,) = (name for name in contents if name.endswith(".py"))
    before, args, after = re.split(rb"torch\.from_file\((.*)\)\n", contents[program])
    contents[program] = before + spelled % args + b"\n" + after
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w") as new:
        for name, data in contents.items():
            new.writestr(name.replace(*renamed), data)
    return again.getvalue()


_SPELLED = {
    "that writes when it is loaded": b"torch.from_file(%s)",
    "with a tab before the bracket": b"torch.from_file\t (%s)",
    "with blanks around the dot": b"torch  .  from_file(%s)",
    "with brackets around the name": b"((torch).from_file)(%s)",
    "with brackets around torch, and a blank": b"( torch ) . from_file(%s)",
    "with a comment within the name": b"(torch. # a (\n  from_file)(%s)",
    "with a comment, and a text that looks like one": (
        b'torch.add(torch.zeros([torch.len("#")]), (torch. # "\n  from_file)(%s))'
    ),
}
_NAMES = {
    "in a folder in capitals": ("/code/", "/CODE/"),
    "whose name ends in capitals": (".py", ".PY"),
}

for _name, _spelled in _SPELLED.items():
    _made.add(f"a program of TorchScript {_name}", "TorchScript")(
        functools.partial(_script, spelled=_spelled, renamed=("", ""))
    )
for _name, _renamed in _NAMES.items():
    _made.add(f"a program of TorchScript {_name}", "TorchScript")(
        functools.partial(_script, spelled=b"torch.from_file(%s)", renamed=_renamed)
    )


# -- a torch file within the pickle --------------------------------------------------------------


def _inner(canary: Path) -> bytes:
    return beside_weights(canary, _run(canary))


_INNER: dict[str, Make] = {
    "a zip": _inner,
    "the old format": lambda canary: in_legacy(_run(canary)),
    "the old format, in its first pickle": lambda canary: in_legacy(_run(canary), at=0),
    "the old format, in its storage keys": lambda canary: in_legacy(_run(canary), at=4),
    "no format": nested,
    "a zip within a zip": lambda canary: beside_weights(canary, call(_LOAD, _inner(canary))),
    "a deflated zip": lambda canary: zipped(
        canary, b"\x80\x02" + _run(canary) + b"0" + sound_pickle(), method=zipfile.ZIP_DEFLATED
    ),
    "a zip in the old format": lambda canary: in_legacy(call(_LOAD, _inner(canary))),
}


def _within(canary: Path, name: str) -> bytes:
    tensor = call(_LOAD, _INNER[name](canary))
    return pickle_of(push({"epoch": 1, "state": {"a.weight": tensor}}))


# torch.load takes a pickle for an archive where a member's header begins at its 512th byte.
_in_a_pickle = functools.partial(
    _made.add, published="a pickle in a torch file", loader=Loader.PICKLE
)

for _name in _INNER:
    _in_a_pickle(f"a storage of pickle.dump that is {_name}", suffix=".pkl")(
        functools.partial(_within, name=_name)
    )


@_in_a_pickle("a storage of pickle.dump whose bytes are computed")
def _(canary: Path) -> bytes:
    raw = call(named("_codecs", "encode"), _inner(canary).decode("latin1"), "latin1")
    return pickle_of(call(_LOAD, raw))


@_in_a_pickle("a storage of pickle.dump whose bytes are a bytearray")
def _(canary: Path) -> bytes:
    raw = _inner(canary)
    return pickle_of(call(_LOAD, Opcodes(b"\x96" + struct.pack("<Q", len(raw)) + raw)), 5)


@_in_a_pickle("a storage of pickle.dump whose bytes are put together")
def _(canary: Path) -> bytes:
    raw = _inner(canary)
    return pickle_of(call(_LOAD, call(named("operator", "concat"), raw[:200], raw[200:])))


@_in_a_pickle("a storage of pickle.dump out of the memo")
def _(canary: Path) -> bytes:
    raw = push(_inner(canary)) + b"q\x070" + _LOAD + b"q\x080"
    return pickle_of(raw + b"h\x08h\x07\x85R")


@_made.add("a storage of pickle.dump beside a sound archive", "a pickle in a torch file")
def _(canary: Path) -> bytes:
    return beside_weights(canary, call(_LOAD, _inner(canary)))


# -- older formats -------------------------------------------------------------------------------


@_made.add("the old format: a module whose patch is written where it says", "persistent ids")
def _(canary: Path) -> bytes:
    """torch writes ``NAME.patch`` where the source of a class is not what the file says it was."""
    kind = Opcodes(named("argparse", "Namespace") + b"q\x07")
    state = (None, {"dump_patches": True, "__name__": str(canary)})
    changed = with_state(kind, state) + b"0"
    pid = b"(" + push("module") + b"h\x07" + push("a.py") + push("class Net:\n    pass\n") + b"tQ"
    return in_legacy(Opcodes(changed + pid))


def _tar(canary: Path, *, member: str) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(tar_bytes())) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for info in old.getmembers():
            file = old.extractfile(info)
            raw = b"" if file is None else file.read()
            if info.name == member:
                raw = raw[:2] + _run(canary) + b"0" + raw[2:]
            info.size = len(raw)
            new.addfile(info, io.BytesIO(raw))
    return out.getvalue()


for _member in ("storages", "tensors"):
    _made.add(f"the {_member} of a tar of 2016", "torch before 0.1.10")(
        functools.partial(_tar, member=_member)
    )


@_made.add("the old format, all in protocol 4 with its frames", "frames")
def _(canary: Path) -> bytes:
    contents: tuple[Any, ...] = (MAGIC, 1001, {"little_endian": True}, hostile_array(canary), [])
    return b"".join(pickle.dumps(part, 4) for part in contents)


# -- numpy and joblib ----------------------------------------------------------------------------


@_made.add("arrays of objects, deflated", "an audit: numpy", loader=Loader.NUMPY, suffix=".npz")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, w=np.ones(3), a=hostile_array(canary))
    return out.getvalue()


@_made.add(
    "an array of objects as a column of another", "numpy", loader=Loader.NUMPY, suffix=".npy"
)
def _(canary: Path) -> bytes:
    rows = np.empty(1, dtype=[("epoch", "i4"), ("state", object)])
    rows["state"] = hostile_array(canary)
    out = io.BytesIO()
    np.save(out, rows, allow_pickle=True)
    return out.getvalue()


@_made.add("an array of objects of a later version", "numpy", loader=Loader.NUMPY, suffix=".npy")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, hostile_array(canary), version=(3, 0), allow_pickle=True)
    return out.getvalue()


@_made.add("a pickle named like an array", "numpy", loader=Loader.NUMPY, suffix=".npy")
def _(canary: Path) -> bytes:
    return nested(canary)


@_made.add("an array of objects in joblib's way", "joblib", loader=Loader.NONE, suffix=".joblib")
def _(canary: Path) -> bytes:
    wrapper = named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81"
    state = {"shape": (1,), "order": "C", "dtype": named("builtins", "object"), "allow_mmap": False}
    return b"\x80\x04" + push({"w": Opcodes(wrapper + push(state) + b"b")}) + nested(canary) + b"."


# -- what joblib takes for objects, and safetensors for a header -----------------------------------

_DTYPES: dict[str, tuple[Any, ...]] = {
    "whose flags are no number": (3, "|", None, None, None, 1, 1, True),
    "whose flags are not the last": (4, "|", None, None, None, 1, 1, 11, {}),
    "whose flags tell of objects": (3, "|", None, None, None, 1, 1, 1),
}


def _in_joblibs_way(canary: Path, state: tuple[Any, ...]) -> bytes:
    """An array whose elements joblib unpickles, behind names that the memo spells for others."""
    dtype = with_state(call(named("numpy", "dtype"), "V1", False, True), state)
    wrapper = Opcodes(named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81")
    memo = push("heapq") + b"\x940" + push("dtype") + b"\x940"
    names = push("posix") + b"\x940" + push("system") + b"\x940h\x00h\x01\x93"
    elements = pickle_of(call(Opcodes(names), shell(canary)))
    described = {
        "subclass": named("numpy", "ndarray"),
        "shape": (len(elements),),
        "order": "C",
        "dtype": dtype,
        "allow_mmap": False,
    }
    return b"\x80\x04" + memo + with_state(wrapper, described) + elements + b"."


for _name, _state in _DTYPES.items():
    _made.add(f"an array of joblib {_name}", "joblib", loader=Loader.JOBLIB, suffix=".joblib")(
        functools.partial(_in_joblibs_way, state=_state)
    )


@_made.add(
    "a safetensors file that is a pickle",
    "two formats",
    loader=Loader.PICKLE,
    suffix=".safetensors",
)
def _(canary: Path) -> bytes:
    """A header whose length is an opcode that takes all of it for a line of text."""
    payload = b"\n0" + call(named("posix", "system"), shell(canary)) + b"."
    place = {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}
    header = json.dumps({"layer.weight": place}).encode()
    header = header.ljust(-(-len(header) // 256) * 256 + ord("V"))
    return struct.pack("<Q", len(header)) + header + payload


ARCHIVES: tuple[Bypass, ...] = tuple(_made.made)
