"""Restore says whether ``torch.load(weights_only=True)`` takes what it wrote: torch decides."""

from __future__ import annotations

import argparse
import collections
import io
import json
import pathlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.restored import restore_json, restore_text
from tests.builders import save, small_model, training_checkpoint

OLD = {"_use_new_zipfile_serialization": False}


def with_extra(**extra: Any) -> dict[str, Any]:
    return training_checkpoint() | extra


def written(obj: Any, **options: Any) -> Callable[[Path], Path]:
    return lambda path: save(path, obj, **options)


def nested() -> tuple[Any, ...]:
    """A tuple within itself, for which a pickle needs POP."""
    inner: list[Any] = []
    outer = (inner, 1, 2, 3)
    inner.append(outer)
    return outer


def scripted(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "state dict": written(small_model().state_dict()),
    "plain dict": written(dict(small_model().state_dict())),
    "training": written(training_checkpoint()),
    "ordered dict": written(collections.OrderedDict(a=torch.ones(3), b=2)),
    "counter": written(with_extra(seen=collections.Counter("abca"))),
    "plain values": written(with_extra(many=[1, 1.5, True, None, "é", b"raw", {1, 2}, 1j, (1,)])),
    "types of torch": written(
        with_extra(d=torch.float16, s=torch.Size([1]), v=torch.device("cpu"))
    ),
    "parameter": written({"w": torch.nn.Parameter(torch.ones(2))}),
    "namespace": written(with_extra(args=argparse.Namespace(lr=0.1))),
    "whole module": written(small_model()),
    "numpy scalar": written(with_extra(best=np.float64(0.5))),
    "numpy array": written(with_extra(best=np.ones(3))),
    "path": written(with_extra(where=pathlib.PurePosixPath("a/b"))),
    "frozenset": written(with_extra(names=frozenset({"a"}))),
    "defaultdict": written(with_extra(logs=collections.defaultdict(list, a=[1]))),
    "range": written(with_extra(steps=range(3))),
    "an int of 300 bytes": written(with_extra(seed=1 << 2400)),
    "a tuple in itself": written(with_extra(loop=nested())),
    "protocol 3": written(training_checkpoint(), pickle_protocol=3),
    "protocol 3, with bytes": written(with_extra(raw=b"raw"), pickle_protocol=3),
    "protocol 4": written(training_checkpoint(), pickle_protocol=4),
    "protocol 5": written(training_checkpoint(), pickle_protocol=5),
    "legacy": written(training_checkpoint(), **OLD),
    "legacy, namespace": written(with_extra(args=argparse.Namespace(lr=0.1)), **OLD),
    "legacy, module": written(small_model(), **OLD),
    "legacy, protocol 4": written(training_checkpoint(), pickle_protocol=4, **OLD),
    "legacy, long int": written(with_extra(seed=1 << 2400), **OLD),
    "torchscript": scripted,
}
REFUSED = {
    *("namespace", "whole module", "numpy scalar", "numpy array", "path", "frozenset"),
    *("defaultdict", "range", "an int of 300 bytes", "a tuple in itself", "protocol 3, with bytes"),
    *("protocol 4", "protocol 5", "legacy, namespace", "legacy, module", "legacy, protocol 4"),
    *("legacy, long int", "torchscript"),
}


def torch_takes(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.load(path, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError):
            return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.one_in(3)
def test_a_copy_is_judged_as_torch_judges_it(kind: str, tmp_path: Path) -> None:
    source = KINDS[kind](tmp_path / "source.pth")
    dry = restore(source, tmp_path / "clean.pth", dry_run=True)
    done = restore(source, tmp_path / "clean.pth")
    assert done.safe_load is not None
    assert done.safe_load.accepted == torch_takes(done.destination) == (kind not in REFUSED)
    assert dry.safe_load == done.safe_load
    assert bool(done.safe_load.reason) == (not done.safe_load.accepted)


@pytest.mark.parametrize("edits", [Edits(scale_lr=0.5), Edits(reset_optimizer=True)])
@pytest.mark.parametrize("kind", ["training", "namespace", "numpy scalar", "path", "legacy"])
@pytest.mark.one_in(3)
def test_an_edited_copy_too(kind: str, edits: Edits, tmp_path: Path) -> None:
    source = KINDS[kind](tmp_path / "source.pth")
    done = restore(source, tmp_path / "clean.pth", edits)
    assert done.safe_load is not None
    assert done.safe_load.accepted == torch_takes(done.destination) == (kind not in REFUSED)


def test_what_is_taken_out_is_no_reason(tmp_path: Path) -> None:
    source = KINDS["namespace"](tmp_path / "source.pth")
    done = restore(source, tmp_path / "clean.pth", Edits(weights_only=True))
    assert done.safe_load is not None
    assert done.safe_load.accepted == torch_takes(done.destination)
    done = restore(source, tmp_path / "clean.safetensors", Edits(to_safetensors=True))
    assert done.safe_load is None


def test_a_pickle_that_torch_did_not_write(tmp_path: Path) -> None:
    source = tmp_path / "source.pth"
    buffer = io.BytesIO()
    pickle.dump({"a": 1, "w": np.ones(3)}, buffer, protocol=2)
    source.write_bytes(buffer.getvalue())
    done = restore(source, tmp_path / "clean.pth")
    assert done.safe_load is not None
    assert not done.safe_load.accepted
    assert not torch_takes(done.destination)


def test_it_is_said(tmp_path: Path) -> None:
    names = {"a": argparse.Namespace(x=1), "b": np.float64(1), "c": pathlib.PurePosixPath("x")}
    source = save(tmp_path / "source.pth", with_extra(**names, d=frozenset({1}), e=range(2)))
    done = restore(source, tmp_path / "clean.pth")
    text = " ".join(restore_text(done, Screen(width=80, colour=False)).split())
    assert "torch.load(weights_only=True) refuses it: it names argparse.Namespace," in text
    assert "more; allow these with torch.serialization.add_safe_globals" in text
    told = json.loads(restore_json(done))["weights_only"]
    assert told["accepted"] is False
    assert {"argparse.Namespace", "builtins.frozenset", "pathlib.PurePosixPath"} <= {
        *told["globals"]
    }
    clean = restore(KINDS["training"](tmp_path / "other.pth"), tmp_path / "clean2.pth")
    assert "weights_only" not in restore_text(clean, Screen(width=80, colour=False))
    assert json.loads(restore_json(clean))["weights_only"] == {
        "accepted": True,
        "globals": [],
        "reason": "",
    }
