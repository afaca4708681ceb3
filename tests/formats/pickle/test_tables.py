"""The tables of plain names, held against real picklers and against the modules themselves."""

from __future__ import annotations

import importlib
import io
import pkgutil
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn import intrinsic, qat, quantizable, quantized

from ckptdoctor.formats.pickle import tables
from ckptdoctor.formats.pickle.names import Use, is_allowed, judge
from tests.formats.pickle.distributed_objects import DISTRIBUTED, group_of_one
from tests.formats.pickle.framework_objects import FRAMEWORKS
from tests.formats.pickle.python_objects import PYTHON
from tests.formats.pickle.recorded import names_of, pickled
from tests.formats.pickle.torch_objects import (
    ARRAYS,
    MODULES,
    OPTIMIZERS,
    TENSORS,
    TRAINING,
    all_classes,
    built_simply,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # torch warns of what it will drop

Table = dict[str, set[str]]
USES = ("BUILT", "CALLED", "NAMED")


def merged(use: str) -> Table:
    """What all modules of tables hold together."""
    found: Table = {}
    for info in pkgutil.iter_modules(tables.__path__):
        module = importlib.import_module(f"{tables.__name__}.{info.name}")
        table: Mapping[str, str] = getattr(module, use, {})
        for name, qualnames in table.items():
            found.setdefault(name, set()).update(qualnames.split())
    return found


TABLES = {use: merged(use) for use in USES}


def holds(use: str, module: str, qualname: str) -> bool:
    return qualname in TABLES[use].get(module, ())


def missing(data: bytes) -> set[str]:
    """The names in a pickle that are not known for what it does with them."""
    lacking = set()
    for (module, qualname), uses in names_of(data).items():
        use = judge(module, qualname)
        if is_allowed(f"{module}.{qualname}") or uses == {"member"}:
            continue  # a member of a class that stands in the pickle as well
        if "built" in uses and use not in (Use.BUILT, Use.CALLED):
            lacking.add(f"BUILT {module} {qualname}")
        if "called" in uses and use is not Use.CALLED:
            lacking.add(f"CALLED {module} {qualname}")
        if not use.is_known or use is Use.CODE:
            lacking.add(f"NAMED {module} {qualname}")
    return lacking


@pytest.mark.parametrize(
    ("makers", "protocols"),
    [
        # Below protocol 2 the pickler of a packed weight aborts the process.
        (MODULES, range(2, 6)),
        *((makers, range(6)) for makers in (OPTIMIZERS, TENSORS, TRAINING, ARRAYS, PYTHON)),
    ],
    ids=["modules", "optimizers", "tensors", "training", "arrays", "python"],
)
@pytest.mark.one_in(4)
def test_what_picklers_write_is_held(makers: dict[str, Any], protocols: range) -> None:
    for name, make in makers.items():
        made = make()
        for part in made if isinstance(made, list) else [made]:
            for protocol in protocols:
                assert missing(pickled(part, protocol)) == set(), (name, protocol)


@pytest.mark.slow
def test_every_layer_is_held() -> None:
    import torch.ao.nn.quantized.dynamic as dynamic

    places: list[Any] = [nn, quantization, quantized, dynamic, quantizable, qat, intrinsic]
    places += [nn.modules, intrinsic.quantized, intrinsic.qat]
    built = 0
    for cls in all_classes(nn.Module, *places):
        assert holds("BUILT", cls.__module__, cls.__qualname__), cls
        layer = built_simply(cls)
        if layer is not None:
            built += 1
            assert missing(pickled(layer, 2)) == set(), cls
    assert built > 200


def test_torch_save_writes_no_other_names() -> None:
    buffer = io.BytesIO()
    torch.save(MODULES["compiled"](), buffer)
    with importlib.import_module("zipfile").ZipFile(buffer) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        assert missing(archive.read(member)) == set()


def test_what_torch_distributed_writes_is_held(tmp_path: Path) -> None:
    with group_of_one():
        for name, make in DISTRIBUTED.items():
            made = make(tmp_path)
            for part in made if isinstance(made, list) else [made]:
                for protocol in range(2, 6):
                    assert missing(pickled(part, protocol)) == set(), (name, protocol)
    (metadata,) = tmp_path.rglob(".metadata")
    assert missing(metadata.read_bytes()) == set()


@pytest.mark.parametrize(
    "make",
    [
        # What is imported for the others takes a second each.
        pytest.param(make, id=name, marks=() if name == "configuration" else pytest.mark.slow)
        for name, make in FRAMEWORKS.items()
    ],
)
def test_what_frameworks_write_is_no_code(make: Any, tmp_path: Path) -> None:
    """Classes of them that stand in no table are told, and never called."""
    for part in make(tmp_path):
        for protocol in (2, 3):
            lacking = missing(pickled(part, protocol))
            assert {
                f"{module} {qualname}"
                for use, module, qualname in map(str.split, lacking)
                if use == "CALLED" or judge(module, qualname) is not Use.STRANGER
            } == set()


# -- the other way round --------------------------------------------------------------------------

# Its own place, and the one that the class had before: both are held.
_VALUES = (torch.dtype, torch.layout, torch.qscheme, torch.memory_format)


def resolved() -> Iterator[tuple[str, str, str, object]]:
    """Every pair of torch and numpy that is installed here."""
    for use, table in TABLES.items():
        for module, qualnames in table.items():
            if module.partition(".")[0] not in ("torch", "numpy"):
                continue
            try:
                found: object = importlib.import_module(module)
            except ImportError:
                continue  # of another version
            for qualname in qualnames:
                target = found
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # importing torch changes the filters
                    for part in qualname.split("."):
                        target = getattr(target, part, None)
                if target is not None:
                    yield use, module, qualname, target


def test_a_name_leads_to_what_it_says() -> None:
    count = 0
    for use, module, qualname, target in resolved():
        count += 1
        own = (getattr(target, "__module__", ""), getattr(target, "__qualname__", qualname))
        assert not isinstance(target, types.ModuleType), (module, qualname)
        if own == (module, qualname) or isinstance(target, _VALUES):
            continue
        if own[0] == module and "<locals>" in own[1]:  # `torch.functional.unique`
            continue
        if isinstance(target, types.BuiltinFunctionType) or module == "torch._C":
            assert use == "NAMED" or own[1] == qualname, (module, qualname)
            assert own[0] in {"torch", "torch._C", "", None} or _is_held(own), (module, qualname)
            continue
        # A name that moved; what it stands for now is held as well, and as no less.
        assert _is_held(own, _no_less(use)), (module, qualname, own)
    assert count > 2500


def _is_held(own: tuple[str, str], uses: tuple[str, ...] = USES) -> bool:
    return any(holds(use, *own) for use in uses)


def _no_less(use: str) -> tuple[str, ...]:
    return USES if use == "NAMED" else ("BUILT", "CALLED")


def test_what_is_built_takes_no_part_in_its_own_making() -> None:
    """No destructor, no attribute hooks and no metaclass of its own that a state could use."""
    allowed = {"ShardedTensor", "OptimizedModule"}
    for use, module, qualname, target in resolved():
        if use != "BUILT" or target.__class__.__module__ == "torch._C":
            continue
        assert isinstance(target, type), (module, qualname)
        if target.__name__ not in allowed:
            assert getattr(target, "__del__", None) is None, (module, qualname)
            finds: Any = target.__getattribute__
            simple = finds is object.__getattribute__ or issubclass(target, tuple | str)
            assert simple, (module, qualname)


_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, np.ufunc, type(np.mean))


def test_only_classes_functions_and_values_are_held() -> None:
    """No module, and no object that does work when it is called, as ``numpy.test`` does."""
    for _, module, qualname, target in resolved():
        plain = isinstance(target, (type, *_FUNCTIONS, *_VALUES))
        in_c = type(target).__name__ in {"cython_function_or_method", "_VariableFunctionsClass"}
        assert plain or in_c, (module, qualname)


def test_functions_that_run_code_are_not_held() -> None:
    """What opens, imports or evaluates, under any name of theirs."""
    words = {"load", "save", "loads", "open", "exec", "eval", "compile", "fromfile", "from_file"}
    for use, module, qualname, target in resolved():
        leaf = qualname.rpartition(".")[2]
        assert leaf not in words, (module, qualname)
        own = getattr(target, "__module__", None) or ""
        assert own.partition(".")[0] in {"", "torch", "numpy", "builtins"}, (use, module, qualname)


def test_tables_are_apart_from_one_another() -> None:
    for module, qualnames in TABLES["NAMED"].items():
        assert not qualnames & TABLES["BUILT"].get(module, set()), module
        assert not qualnames & TABLES["CALLED"].get(module, set()), module


def test_they_cost_next_to_nothing() -> None:
    """Every scan of a pickle with names reads them: no import beyond them, no work but texts."""
    modules = [info.name for info in pkgutil.iter_modules(tables.__path__)]
    code = f"""
import sys
import collections.abc, functools, types, ckptdoctor.formats.pickle
before = set(sys.modules)
from ckptdoctor.formats.pickle.tables import {", ".join(modules)}
print(*(name for name in sys.modules if name not in before and ".tables" not in name))
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split() == []
    folder = Path(tables.__path__[0])
    assert sum(path.stat().st_size for path in folder.glob("*.py")) < 250_000
