"""Pickles: bare, of every protocol, damaged, and with classes that nothing here imports."""

from __future__ import annotations

import argparse
import datetime as dt
import enum
import functools
import pathlib
import pickle
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import torch

from tests.bad_inputs.good import legacy_bytes, state, zip_bytes
from tests.bad_inputs.kind import Family
from tests.builders import rezip, save

__all__ = ["CLASSES", "PICKLES"]

PICKLES = Family("a damaged pickle")
CLASSES = Family("unusual classes")

_LIMIT = "CD107"

_ENDS = "ends inside its pickle"
_SYSTEM = "os.system('true')"
_NOTHING_SAVED = "nothing was saved in it"

_UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "protocol 9": (b"\x80\x09}.", "CD101", "neither a zip archive nor a pickle"),
    "unknown opcode": (b"\x80\x02}\xff.", "CD104", "no pickle opcode 0xff"),
    "no stop": (pickle.dumps({"a": 1}, 2)[:-1], "CD102", _ENDS),
    "cut in a text": (b"\x80\x02}X\x50\0\0\0epoch", "CD102", _ENDS),
    "cut in a frame": (pickle.dumps({"a": "b" * 99}, 4)[:40], "CD102", _ENDS),
    "frame that lies": (b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}\x94.", "CD104", "a frame of"),
    "empty stack": (b"\x80\x02.", "CD104", "a pickle of nothing"),
    "mark without a tuple": (b"\x80\x02t" + bytes(30), "CD104", "takes more than the stack holds"),
    "memo that was never set": (b"\x80\x02h\5." + bytes(30), "CD104", "a memo entry"),
    "items for a number": (b"\x80\x02K\1K\2K\3s.", "CD104", "items are set on a"),
    "text that is no UTF-8": (b"\x80\x02}X\2\0\0\0\xff\xfeK\1s.", "CD104", "makes no sense"),
    "an integer of two gigabytes": (b"\x80\x02\x8b\xff\xff\xff\x7f.", _LIMIT, "an integer of"),
    "a text of 2^63 bytes": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.", "CD102", _ENDS),
    "bytes of 2^62": (b"\x80\x04\x8e" + b"\0" * 7 + b"\x40.", "CD102", _ENDS),
    "a memo index of 2^31": (b"\x80\x02}r\xff\xff\xff\x7f.", "CD104", "no pickler writes"),
    "buffer out of band": (b"\x80\x05\x97." + bytes(30), "CD104", ""),
    "a global that is not UTF-8": (b"\x80\x02c\xff\n\xfe\n.", "CD104", "makes no sense"),
}

_READABLE: dict[str, tuple[bytes, str, str, str]] = {
    "persistent id of nothing": (
        b"\x80\x02}X\1\0\0\0wNQs.",
        "CD104",
        "a reference to no storage",
        "corrupt",
    ),
    "nested a million deep": (
        b"\x80\x02" + b"(" * 1_000_000 + b"t" * 1_000_000 + b".",
        _LIMIT,
        "nested more than 200 deep",
        "suspect",
    ),
    "code in protocol 0": (b"cos\nsystem\n(S'true'\ntR.", "CD106", _SYSTEM, "suspect"),
    "code whose result is thrown away": (
        b"\x80\x02cos\nsystem\n(X\4\0\0\0truetR0}X\1\0\0\0aK\1s.",
        "CD106",
        _SYSTEM,
        "suspect",
    ),
    "code, then damage": (
        b"\x80\x02cos\nsystem\n(X\4\0\0\0truetR\xff",
        "CD106",
        _SYSTEM,
        "unreadable",
    ),
    "code, then a cut": (b"\x80\x02cos\nsystem\n(X\4\0\0\0truetR", "CD106", _SYSTEM, "unreadable"),
    "code in a second pickle": (
        pickle.dumps({"a": 1}, 2) + b"cos\nsystem\n(S'true'\ntR.",
        "CD106",
        _SYSTEM,
        "suspect",
    ),
}


def _pickles() -> None:
    for name, (data, code, says) in _UNREADABLE.items():
        PICKLES.bytes(f"pickle: {name}", data, code, says)
    for name, (data, code, says, verdict) in _READABLE.items():
        PICKLES.bytes(f"pickle: {name}", data, code, says, verdict)


_pickles()


@PICKLES.kind("CD101", _NOTHING_SAVED, "suspect", 0)
def lists_of_lists_doubling(path: Path) -> None:
    doubled = b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(60))
    path.write_bytes(b"\x80\x02]q\0" + doubled + b".")


@PICKLES.kind("CD106", "copyreg.extension_7, which is not known here to be harmless", "suspect")
def an_extension_code(path: Path) -> None:
    path.write_bytes(b"\x80\x02\x82\x07.")


@PICKLES.kind("CD105", "a plain pickle", "suspect", 0)
def a_global_without_a_name(path: Path) -> None:
    path.write_bytes(b"\x80\x02c\n\n.")


@PICKLES.kind("CD104", "which is torch._utils._rebuild_tensor_v2 with one bit", "suspect", 1)
def a_flipped_bit_in_the_name_of_a_function(path: Path) -> None:
    path.write_bytes(legacy_bytes().replace(b"torch._utils\n", b"uorch._utils\n", 1))


@PICKLES.kind("CD104", "34 bytes follow the pickle", "suspect", 0)
def stacked_pickles(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}, 2) * 3)


def _save(value: Any, path: Path) -> None:
    save(path, {**state(), "extra": value})


class _Colour(enum.Enum):
    RED = 1


def _own() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


_NAMESPACE = argparse.Namespace(lr=0.1, folder=pathlib.PurePosixPath("runs/7"))

_CLASSES: dict[str, tuple[Callable[[], Any], str]] = {
    "numpy scalar": (lambda: np.float64(0.6413), "multiarray.scalar"),
    "numpy array": (lambda: np.arange(6.0), "multiarray._reconstruct"),
    "numpy random state": (lambda: np.random.default_rng(0).bit_generator.state, ""),
    "numpy record array": (
        lambda: np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]),
        "multiarray._reconstruct",
    ),
    "numpy dtype": (lambda: np.dtype("float32"), "numpy.dtype"),
    "argparse namespace": (lambda: _NAMESPACE, "argparse.Namespace"),
    "path": (lambda: pathlib.PurePosixPath("a/b"), "pathlib"),
    "date": (lambda: dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "datetime"),
    "enum": (lambda: _Colour.RED, "_Colour"),
    "ordered dict": (lambda: OrderedDict(a=1), ""),
    "default dict": (lambda: defaultdict(list, a=[1]), "collections.defaultdict"),
    "deque": (lambda: deque([1, 2], maxlen=5), "deque"),
    "set": (lambda: {1, 2}, ""),
    "bytes and bytearray": (lambda: [b"\0\1", bytearray(b"ab")], ""),
    "complex": (lambda: 1 + 2j, ""),
    "decimal and fraction": (lambda: [Decimal("0.1"), Fraction(1, 3)], "decimal"),
    "uuid": (lambda: UUID(int=7), "uuid"),
    "range and slice": (lambda: [range(3), slice(1, 2)], "builtins.slice"),
    "an integer of 2^200": (lambda: 1 << 200, ""),
    "a float of NaN": (lambda: [float("nan"), float("inf")], ""),
    "partial": (lambda: functools.partial(torch.nn.Linear, 3), "functools.partial"),
    "device, dtype and size": (
        lambda: [torch.device("cpu"), torch.float16, torch.Size([1, 2])],
        "",
    ),
    "a list in itself": (_own, ""),
    "keys of every kind": (lambda: {1: 1, None: 2, (1, "a"): 3, 1.5: 4, b"b": 6}, ""),
}


def _classes() -> None:
    for name, (make, says) in _CLASSES.items():

        def build(path: Path, make: Callable[[], Any] = make) -> None:
            _save(make(), path)

        build.__name__ = f"class: {name}"
        CLASSES.kind("CD105" if says else "", says, "healthy", 0)(build)
    for protocol in (2, 3, 4, 5):

        def dumped(path: Path, protocol: int = protocol) -> None:
            save(path, state(), pickle_protocol=protocol)

        dumped.__name__ = f"pickle protocol {protocol}"
        CLASSES.kind("", "", "healthy", 0)(dumped)


_classes()


@CLASSES.kind("CD105", "omegaconf", "healthy", 0)
def an_omegaconf_config(path: Path) -> None:
    from omegaconf import OmegaConf

    _save(OmegaConf.create({"lr": 0.1, "stages": [1, 2]}), path)


def _foreign(path: Path, module: str, name: str, attributes: dict[str, Any]) -> None:
    """A state with an object of a class that exists nowhere."""
    out = b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81"
    tail = pickle.dumps(attributes, 2)[2:-1] + b"b"
    source = path.with_name("source.tmp")
    source.write_bytes(zip_bytes())
    from tests.bad_inputs.zips import pickled

    merged = pickled()[:-1] + b"X\3\0\0\0cfg" + out[2:] + tail + b"s."
    rezip(source, path, replace={"data.pkl": merged})
    source.unlink()


@CLASSES.kind("CD105", "lightning.pytorch.utilities.parsing.AttributeDict", "healthy", 0)
def hyperparameters_of_lightning(path: Path) -> None:
    module = "lightning.pytorch.utilities.parsing"
    _foreign(path, module, "AttributeDict", {"lr": 0.1, "layers": 3})


@CLASSES.kind("CD105", "projects.unet.config.TrainConfig", "healthy", 0)
def a_class_of_the_users_own(path: Path) -> None:
    _foreign(path, "projects.unet.config", "TrainConfig", {"lr": 0.1})


class _Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.names = {0: "crack"}


@CLASSES.kind("CD105", "torch.nn.modules.conv.Conv2d", "healthy", 0)
def a_module_object_as_yolo_saves_it(path: Path) -> None:
    torch.manual_seed(0)
    save(path, {"epoch": -1, "best_fitness": None, "model": _Net().half(), "ema": None})


@CLASSES.kind("CD105", "torch.nn.modules.conv.Conv2d", "healthy", 0)
def a_whole_module(path: Path) -> None:
    torch.manual_seed(0)
    save(path, _Net())
