"""From pickled trees to names: containers, objects, numpy, and trees made to hurt."""

from __future__ import annotations

import argparse
import collections
import enum
import io
import math
import pathlib
import pickle
import random
import tempfile
import types
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import omegaconf
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.checkpoint import Checkpoint, Role
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import Limits, byte_strings, open_checkpoint
from ckptdoctor.formats.paths import joined
from tests.bad_inputs.bombs import colliding
from tests.builders import save, small_model
from tests.costs import assert_linear, calls, ending, growth
from tests.formats.oracle import assert_same_tensors, listed, read_elements


class Phase(enum.Enum):
    """A member of it stands in checkpoints."""

    TRAIN = "train"


class Meter:
    """An object of a training script."""

    def __init__(self) -> None:
        self.best = 0.5
        self.history = [1, 2]
        self.last = torch.ones(2)


class Slots:
    """The same with slots."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 4


class Registry(dict[str, Any]):
    """A dict with attributes of its own."""


class Subclassed(torch.Tensor):
    """A tensor subclass."""


def dumped(path: Path, obj: object, protocol: int = 4) -> Checkpoint:
    path.write_bytes(pickle.dumps(obj, protocol))
    return open_checkpoint(path)


def opcodes(path: Path, raw: bytes, limits: Limits | None = None) -> Checkpoint:
    path.write_bytes(b"\x80\x02" + raw)
    return open_checkpoint(path, limits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pkl"


def codes(checkpoint: Checkpoint) -> list[str]:
    return [problem.code for problem in checkpoint.problems]


# -- objects of other libraries ------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_that_torch_refuses_are_read(path: Path, protocol: int) -> None:
    tree = {
        "args": argparse.Namespace(lr=0.1, layers=[1, 2], out=pathlib.PurePosixPath("runs/a")),
        "phase": Phase.TRAIN,
        "meter": Meter(),
        "slots": Slots(),
        "counts": collections.defaultdict(int, {"a": 1}),
        "queue": collections.deque([7, 8]),
        "simple": types.SimpleNamespace(x=1),
        "root": pathlib.PosixPath("/data/run"),
        "device": torch.device("cuda:1"),
        "cpu": torch.device("cpu"),
    }
    path = save(path, tree, pickle_protocol=protocol)
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert checkpoint.calls == ()
    assert dict(checkpoint.scalars) == {
        "args.lr": 0.1,
        "args.layers.0": 1,
        "args.layers.1": 2,
        "args.out": "runs/a",
        "phase": "train",
        "meter.best": 0.5,
        "meter.history.0": 1,
        "meter.history.1": 2,
        "slots.count": 4,
        "counts.a": 1,
        "queue.0": 7,
        "queue.1": 8,
        "simple.x": 1,
        "root": "/data/run",
        "device": "cuda:1",
        "cpu": "cpu",
    }
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["meter.last"]
    assert {use.name for use in checkpoint.globals if not use.allowed} >= {"argparse.Namespace"}


def test_omegaconf_is_read(path: Path) -> None:
    config = omegaconf.OmegaConf.create({"lr": 0.1, "model": {"depth": 50, "name": "r"}})
    checkpoint = dumped(path, {"cfg": config, "epoch": 3})
    values = {k: v for k, v in checkpoint.scalars.items() if k.endswith("_val")}
    assert set(values.values()) == {0.1, 50, "r"}
    assert checkpoint.scalars["epoch"] == 3


def test_a_whole_module_has_the_names_of_its_state_dict(tmp_path: Path) -> None:
    model = small_model()
    model.register_buffer("step", torch.tensor(5))
    path = save(tmp_path / "model.pt", model)
    checkpoint = open_checkpoint(path)
    state = {name: value.detach() for name, value in model.state_dict().items()}
    ours = listed(checkpoint)
    assert set(ours) == set(state)
    assert ours["4.weight"][2] == state["4.weight"].numpy().tobytes()
    assert all(tensor.role is Role.MODEL for tensor in checkpoint.tensors)
    assert checkpoint.scalars["training"] is True
    assert "2.in_features" in checkpoint.scalars


def test_a_module_inside_a_dict_has_the_names_of_its_state_dict(tmp_path: Path) -> None:
    model = small_model()
    saved = {"ema": model, "model": {"weight": torch.ones(2)}, "epoch": 1}
    checkpoint = open_checkpoint(save(tmp_path / "a.pt", saved))
    averaged = {tensor.fqn for tensor in checkpoint.tensors if tensor.role is Role.EMA}
    assert averaged == {f"ema.{name}" for name in model.state_dict()}


def test_metadata_of_a_state_dict_is_left_out(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(save(tmp_path / "a.pt", small_model().state_dict()))
    assert dict(checkpoint.scalars) == {}


def test_tensors_with_attributes_and_subclasses_are_tensors(tmp_path: Path) -> None:
    tagged = torch.nn.Parameter(torch.arange(3.0))
    tagged.note = "mine"  # type: ignore[attr-defined]
    tagged.extra = torch.ones(1)  # type: ignore[attr-defined]
    own = torch.arange(2.0).as_subclass(Subclassed)
    checkpoint = open_checkpoint(save(tmp_path / "a.pt", {"tagged": tagged, "own": own}))
    ours = listed(checkpoint)
    assert ours["tagged"][2] == torch.arange(3.0).numpy().tobytes()
    assert ours["tagged.extra"][1] == (1,)
    assert ours["own"][1] == (2,)
    assert checkpoint.scalars == {"tagged.note": "mine"}


# -- numpy ---------------------------------------------------------------------------------------

ARRAYS = {
    "c": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(2, 3)),
    "big": np.arange(3, dtype=">i4"),
    "big complex": np.array([1 + 2j], dtype=">c16"),
    "zero-d": np.array(7, dtype=np.uint16),
    "empty": np.zeros((0, 2)),
    "bool": np.array([True, False]),
    "half": np.arange(3, dtype=np.float16),
    "large": np.arange(3000, dtype=np.int64),
    "large big": np.arange(3000, dtype=">f8"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_are_tensors(path: Path, protocol: int) -> None:
    checkpoint = dumped(path, {"data": ARRAYS}, protocol)
    assert checkpoint.problems == ()
    ours = listed(checkpoint)
    for name, array in ARRAYS.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert ours[f"data.{name}"] == (str(native.dtype), array.shape, native.tobytes("C")), name


def test_arrays_inside_torch_files_are_placed_in_the_file(tmp_path: Path) -> None:
    array = np.arange(5000.0)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        path = save(
            tmp_path / "a.pt", {"x": array, "w": torch.ones(2)}, pickle_protocol=4, **options
        )
        checkpoint = open_checkpoint(path)
        assert listed(checkpoint)["x"][2] == array.tobytes()
        assert checkpoint.tensors[0].storage is not None
        assert checkpoint.tensors[0].storage.inline is None


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_scalars_are_scalars(path: Path, protocol: int) -> None:
    tree = {
        "f": np.float64(0.5),
        "h": np.float16(2),
        "i": np.int32(-3),
        "u": np.uint8(200),
        "b": np.bool_(True),
        "big": np.array([258], ">i2")[0],
        "c": np.complex64(1j),
        "t": np.str_("text"),
    }
    checkpoint = dumped(path, tree, protocol)
    scalars = {k: v for k, v in checkpoint.scalars.items() if not k.startswith("t")}
    assert scalars == {"f": 0.5, "h": 2.0, "i": -3, "u": 200, "b": True, "big": 258}
    assert checkpoint.problems == ()


def test_arrays_of_objects_are_looked_into(path: Path) -> None:
    inner = np.empty(3, dtype=object)
    inner[:] = [1, {"w": np.ones(2)}, "x"]
    checkpoint = dumped(path, {"o": inner})
    assert checkpoint.scalars == {"o.0": 1, "o.2": "x"}
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["o.1.w"]


def test_arrays_of_text_dates_and_records_are_passed_over(path: Path) -> None:
    tree = {
        "text": np.array(["a", "b"]),
        "date": np.array(["2024-01-01"], dtype="datetime64[D]"),
        "record": np.zeros(2, dtype=[("a", "f4")]),
        "x": 1,
    }
    checkpoint = dumped(path, tree)
    assert checkpoint.tensors == ()
    assert checkpoint.problems == ()
    assert checkpoint.scalars == {"x": 1}


def test_arrays_of_python_2_are_read(path: Path) -> None:
    dtype = b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNI-1\nI-1\nK\x00tb"
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x01t"
    for raw in (b"\x00\x00\x80?", b"ABCD"):
        data = b"}U\x01a" + head + dtype + b"\x89U\x04" + raw + b"tbs."
        assert listed(opcodes(path, data))["a"] == ("float32", (1,), raw)


_DTYPE = b"cnumpy\ndtype\n(U\x02f4tR"
_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n)R"
_SCALAR = b"cnumpy.core.multiarray\nscalar\n"


@pytest.mark.parametrize(
    "raw",
    [
        _ARRAY + b"(K\x01K\x01NN" + b"Ntb",
        _ARRAY + b"(K\x01(K\x01t" + _DTYPE + b"\x89Ntb",
        _ARRAY + b"(K\x01(K\x01t" + _DTYPE + b"\x89K\x01tb",
        _ARRAY + b"(K\x01(K\x01tcnumpy\ndtype\n(NtR\x89U\x04abcdtb",
        _ARRAY + b"(K\x01K\x05" + _DTYPE + b"\x89U\x04abcdtb",
        _ARRAY + b"(NNtb",
        _SCALAR + b"(" + _DTYPE + b"U\x01atR",
        _SCALAR + b"(NNtR",
        _SCALAR + b"(" + _DTYPE + b"C\x02" + b"\0\0tR",
        _SCALAR + b"(" + _DTYPE + b"B\x00\x20\x00\x00" + b"\0" * 8192 + b"tR",
        _SCALAR + b"NR",
        _SCALAR + b"(" + _DTYPE + b"c_codecs\nencode\n(NtRtR",
        _SCALAR + b"(" + _DTYPE + b"X\x02\x00\x00\x00\xc4\x80tR",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"ctorch._utils\n_rebuild_tensor_v3\n(NNNNNNctorch\nnope\ntR",
        b"ctorch._utils\n_rebuild_qtensor\n(NNNNNtR",
        b"ctorch._utils\n_rebuild_sparse_tensor\n(]NtR",
        b"ctorch._utils\n_rebuild_parameter\n)R",
        b"ctorch._utils\n_rebuild_tensor\n(ctorch.storage\nTypedStorage\n)RNNNtR",
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nint8\n(K\x02tNtR",
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(Nt" + b"R",
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nnope\nNNtR",
    ],
    ids=str,
)
def test_calls_with_arguments_they_never_have_are_reported(path: Path, raw: bytes) -> None:
    checkpoint = opcodes(path, b"}X\x01\x00\x00\x00n" + raw + b"sX\x01\x00\x00\x00xK\x01s.")
    assert codes(checkpoint) == ["CD104"]
    assert checkpoint.problems[0].subject == "n"
    assert checkpoint.scalars == {"x": 1}


def test_many_malformed_tensors_are_summed_up(path: Path) -> None:
    raw = b"](" + b"ctorch._utils\n_rebuild_parameter\n)R" * 50 + b"e."
    checkpoint = opcodes(path, raw)
    assert len(checkpoint.problems) == 21
    assert checkpoint.problems[-1].message == "30 more are no tensors either"


# -- names ---------------------------------------------------------------------------------------


def test_a_container_under_two_names_is_listed_under_both(tmp_path: Path) -> None:
    state = small_model().state_dict()
    tree = {"backup": state, "model": state, **{f"block{i}": state for i in range(100)}}
    path = save(tmp_path / "a.pt", tree)
    assert_same_tensors(open_checkpoint(path), tree)


def test_names_are_unique(path: Path) -> None:
    tree = {"a": {"b": 1, "c": np.ones(1)}, "a.b": 2, "a.c": np.ones(1), 1: 3, "1": 4, "a.b#2": 5}
    checkpoint = dumped(path, {"a": tree["a"], **tree, True: 6, "True": 7})
    assert dict(checkpoint.scalars) == {
        "a.b": 1,
        "a.b#2": 2,
        "1": 6,
        "1#2": 4,
        "a.b#2#2": 5,
        "True": 7,
    } | {k: v for k, v in checkpoint.scalars.items() if k.startswith("a.c")}
    names = [tensor.fqn for tensor in checkpoint.tensors]
    assert sorted(names) == ["a.c", "a.c#2"]


def test_a_name_that_is_taken_by_a_number_is_passed_over(path: Path) -> None:
    checkpoint = opcodes(
        path,
        b"}(X\x01\x00\x00\x00a}X\x03\x00\x00\x00b#2K\x01sX\x03\x00\x00\x00a.bK\x02"
        b"X\x05\x00\x00\x00a.b#2K\x03u.",
    )
    assert sorted(checkpoint.scalars) == ["a.b", "a.b#2", "a.b#2#2"]


def test_keys_of_every_kind_are_spelled(path: Path) -> None:
    keys: dict[Any, int] = {None: 1, (1, "a"): 2, 2.5: 3, b"raw": 4, 2**70: 5, frozenset(): 6}
    checkpoint = dumped(path, keys)
    assert set(checkpoint.scalars) == {"None", "(1, 'a')", "2.5", "b'raw'", str(2**70), "…"}
    long_key = b"B\x00\x20\x00\x00" + b"k" * 8192
    assert set(opcodes(path, b"}" + long_key + b"K\x01s.").scalars) == {"…"}


def test_long_names_are_shortened_in_the_middle(path: Path) -> None:
    checkpoint = dumped(path, {"a" * 5000: {"b" * 5000: 1}, "c": "x" * 10_000})
    (name, short) = checkpoint.scalars
    assert short == "c"
    assert name == "a" * 1000 + "…" + "b" * 1000
    value = checkpoint.scalars["c"]
    assert isinstance(value, str)
    assert len(value) == 4001


@given(st.lists(st.text("ab.", max_size=30), min_size=1, max_size=12), st.integers(4, 60))
def test_joined_names_are_the_ends_of_the_whole(names: list[str], limit: int) -> None:
    whole, short = ".".join(names), joined(names, limit)
    if len(whole) < limit:
        assert short == whole
    else:
        head, _, tail = short.partition("…")
        assert len(short) <= limit + 1
        assert whole.startswith(head)
        assert whole.endswith(tail)


def test_ordered_dicts_of_python_2_are_read(path: Path) -> None:
    raw = b"ccollections\nOrderedDict\n(](](U\x01aK\x01e](U\x01bK\x02eetR."
    assert opcodes(path, raw).scalars == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("raw", "scalars"),
    [
        (b"ccollections\nOrderedDict\n(](K\x01K\x02etR.", {"0": 1, "1": 2}),
        (b"ccollections\nOrderedDict\n(K\x05tR.", {"value": 5}),
        (b"ccollections\nOrderedDict\nNR.", {}),
        (b"ca\nb\n(K\x01NK\x02tR.", {"0": 1, "1": 2}),
        (b"ca\nb\n(K\x01NtRNb.", {"0": 1}),
        (b"ca\nb\n)RK\x07b.", {"state": 7}),
        (b"ca\nb\n)R(N}U\x01sK\x01stb.", {"s": 1}),
        (b"ca\nb\n)R}U\x08_modulesK\x01sb.", {"value": 1}),
        (b"ca\nb\n)R}U\x08_modules]K\x01asb.", {"0": 1}),
        (b"cpathlib\nPosixPath\n(U\x01/U\x01aU\x01btR.", {"value": "/a/b"}),
        (b"ctorch\ndevice\n(U\x04cudaK\x03tR.", {"value": "cuda:3"}),
        (b"\x8f(K\x03\x90.", {}),
        (b"](\x8f(K\x03\x90e.", {"0.0": 3}),
    ],
    ids=repr,
)
def test_objects_are_spelled_by_what_they_hold(
    path: Path, raw: bytes, scalars: dict[str, object]
) -> None:
    if raw.startswith(b"\x8f"):
        with pytest.raises(CheckpointError, match="single value"):
            opcodes(path, raw)
    else:
        assert opcodes(path, raw).scalars == scalars


def test_attributes_beside_items_are_kept(path: Path) -> None:
    registry = Registry(a=1)
    registry.note = "n"  # type: ignore[attr-defined]
    assert dumped(path, [registry]).scalars == {"0.a": 1, "0.note": "n"}


def test_torchscript_lists_are_read(path: Path) -> None:
    raw = b"ctorch.jit._pickle\nbuild_intlist\n](K\x01K\x02e\x85R."
    assert opcodes(path, raw).scalars == {"0": 1, "1": 2}


# -- trees made to hurt --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "most"),
    [
        (b"]q\x00(K\x01K\x01e" + b"q\x000](h\x00h\x00e" * 60 + b".", 100_000),
        (b"]q\x00h\x00a.", 0),
        (b"]q\x00(h\x00h\x00h\x00e.", 0),
        (b"}q\x00U\x01ah\x00s.", 0),
        (b"ca\nb\n)Rq\x00h\x00b.", 0),
        (b"ca\nb\n)Rq\x00}U\x01xh\x00sb.", 0),
        (b"ctorch._utils\n_rebuild_parameter\n(]q\x00tRq\x01h\x00h\x01a.", 0),
    ],
    ids=[
        "2**60 leaves",
        "loop",
        "loops",
        "dict loop",
        "state loop",
        "attribute loop",
        "wrapper loop",
    ],
)
def test_shared_and_circular_trees_end(path: Path, raw: bytes, most: int) -> None:
    with ending():
        checkpoint = opcodes(path, raw)
    assert len(checkpoint.scalars) <= most


def test_an_exponential_tensor_is_refused(path: Path) -> None:
    sparse = b"q\x000ctorch._utils\n_rebuild_sparse_tensor\n(N(h\x00h\x00ttR"
    with ending():
        checkpoint = opcodes(path, b"]K\x01a" + sparse * 60 + b".")
    assert len(checkpoint.scalars) < 100_000


def test_parameters_in_parameters_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ckptdoctor.formats.tree._REPETITIONS", 500)

    def work(count: int) -> int:
        wrap = b"ctorch._utils\n_rebuild_parameter\nq\x010h\x01"
        chain = b"q\x020h\x01h\x02\x85R" * count
        raw = wrap + b"0K\x01" + chain + b"q\x030](" + b"h\x03" * count + b"e."
        found: list[Checkpoint] = []
        cost = calls(lambda: found.append(opcodes(path, raw)))
        assert 1 <= len(found[0].scalars) < count
        return cost

    assert work(400) < 12 * work(50)  # of 8 times as many; 64 times where it is the square


@pytest.mark.parametrize("legacy", [False, True])
def test_storages_that_were_saved_alone_are_rows(path: Path, legacy: bool) -> None:
    weight = torch.tensor([1.5, math.nan, 3.0])
    raw = torch.arange(3, dtype=torch.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typed storages are on their way out
        typed = weight.storage()  # type: ignore[no-untyped-call]
        state = {"typed": typed, "raw": raw.untyped_storage(), "w": weight}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    checkpoint = open_checkpoint(path)
    found = {tensor.fqn: (tensor.dtype, tensor.shape) for tensor in checkpoint.tensors}
    assert found == {
        "typed": ("float32", (3,)),
        "raw": ("uint8", (6,)),
        "w": ("float32", (3,)),
    }
    row, untyped, tensor = checkpoint.tensors
    assert read_elements(path, row) == read_elements(path, tensor) == weight.numpy().tobytes()
    assert read_elements(path, untyped) == raw.numpy().tobytes()


def test_depth_is_bounded(path: Path) -> None:
    checkpoint = opcodes(path, b"]" * 500 + b"a" * 499 + b".")
    assert codes(checkpoint) == ["CD107"]
    assert "nested more than 200 deep" in checkpoint.problems[0].message


def test_deep_objects_are_bounded(path: Path) -> None:
    def work(depth: int) -> None:
        assert codes(opcodes(path, b"N" + b"\x85" * depth + b"]\x86.")) == ["CD107"]

    assert_linear(work, 12_500, 100_000)


def test_long_names_all_the_way_down_are_bounded(path: Path) -> None:
    """A long key shared by every level, and many leaves below."""
    key = b"X\x00\x80\x00\x00" + b"k" * 0x8000 + b"q\x00"
    raw = b"}" + key + b"}h\x00" * 150 + b"](" + b"K\x01" * 50_000 + b"e" + b"s" * 151 + b"."
    with ending():
        checkpoint = opcodes(path, raw, Limits(metadata_nbytes=4_000_000))
    assert codes(checkpoint) == ["CD107"]
    assert max(map(len, checkpoint.scalars)) <= 2001


def test_long_texts_shared_by_many_are_bounded(path: Path) -> None:
    text = b"X\x00\x80\x00\x00" + b"t" * 0x8000 + b"q\x00"
    with ending():
        checkpoint = opcodes(path, b"](" + text + b"h\x00" * 100_000 + b"e.")
    assert codes(checkpoint) == ["CD107"]


def test_an_array_referenced_by_many_is_decoded_once(path: Path) -> None:
    text = b"X\x00\x00\x04\x00" + b"t" * 0x40000 + b"q\x00"
    dtype = b"cnumpy\ndtype\n(U\x02i1tRq\x05"
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(J\x00\x00\x04\x00th\x05\x89h\x00tb"
    with ending():
        checkpoint = opcodes(path, b"](" + text + dtype + array * 2000 + b"e.")
    blobs = {id(tensor.storage and tensor.storage.inline) for tensor in checkpoint.tensors}
    assert (len(checkpoint.tensors), len(blobs)) == (2000, 1)


def test_sizes_may_be_a_torch_size(path: Path) -> None:
    size = b"ctorch\nSize\n(K\x02K\x03ttR".replace(b"(K", b"((K", 1)
    raw = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nint8\n" + size
    checkpoint = opcodes(path, b"]" + raw + b"(K\x03K\x01ttRa.")
    assert [(tensor.shape, tensor.stride) for tensor in checkpoint.tensors] == [((2, 3), (3, 1))]


def test_a_wrapper_subclass_has_no_data_of_its_own(path: Path) -> None:
    checkpoint = opcodes(path, b"]ctorch._utils\n_rebuild_wrapper_subclass\n(K\x01tRa.")
    assert (checkpoint.tensors, dict(checkpoint.scalars), checkpoint.problems) == ((), {}, ())


def test_more_leaves_than_the_limit_are_not_listed(path: Path) -> None:
    checkpoint = opcodes(path, b"](" + b"K\x01" * 100 + b"e.", Limits(opcodes=50_000, leaves=10))
    assert codes(checkpoint) == ["CD107"]


def test_shapes_of_thousands_of_dimensions_are_no_shapes(path: Path) -> None:
    shape = b"(" + b"K\x01" * 5000 + b"t"
    raw = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nint8\n" + shape + b"(ttR"
    assert codes(opcodes(path, b"]" + raw + b"a.")) == ["CD104"]


@pytest.mark.fuzz
@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_flipped_bytes_of_rich_pickles_are_no_crash(chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = io.BytesIO()
        tree = {
            "a": ARRAYS["c"],
            "m": Meter(),
            "p": pathlib.PurePosixPath("a"),
            "o": OrderedDict(a=1),
        }
        pickle.dump(tree, out, chance.choice([2, 4]))
        data = bytearray(out.getvalue())
        for _ in range(3):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        path = Path(folder) / "a.pkl"
        path.write_bytes(data)
        try:
            assert open_checkpoint(path).format == "pickle"
        except CheckpointError as error:
            assert error.message  # noqa: PT017


@pytest.mark.slow
def test_integer_keys_cannot_be_chosen_to_collide(path: Path) -> None:
    """They walk the same way through a dict of 2**17 slots."""
    keys = [key for part in colliding(17, 8000) for key in part]

    def work(keys: Sequence[int]) -> None:
        raw = b"}(" + b"".join(b"J" + key.to_bytes(4, "little") + b"K\1" for key in keys) + b"u."
        assert len(opcodes(path, raw).scalars) == len(set(keys))

    assert growth(work, range(len(keys)), keys, enough=3) < 3


def test_a_number_and_its_digits_are_two_keys(path: Path) -> None:
    checkpoint = opcodes(path, b"}(U\x017K\1K\7K\2K\7K\3u.")
    assert dict(checkpoint.scalars) == {"7": 1, "7#2": 3}


def test_arguments_that_many_objects_share_are_read_a_few_times(path: Path) -> None:
    def work(count: int) -> int:
        args = b"(" + b"]N\x86" * count + b"t"
        raw = b"](cm\nC\nq\0" + args + b"q\1R" + b"h\0h\1R" * count + b"e."
        return calls(lambda: opcodes(path, raw))

    assert work(800) < 12 * work(100)  # of 8 times as many; 64 times where it is the square


def test_one_tensor_under_more_names_than_the_file_explains(path: Path) -> None:
    raw = b"](" + b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n))\x89tRq\0"
    checkpoint = opcodes(path, raw + b"h\0" * 5000 + b"e.")
    assert codes(checkpoint) == ["CD107"]
    assert "tensors" in checkpoint.problems[0].message
    assert 1000 < len(checkpoint.tensors) < 1400


def test_scalars_beyond_the_limit_are_counted_and_tensors_behind_them_found(path: Path) -> None:
    tensor = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n))\x89tR"
    raw = b"}(U\1a](" + b"K\1" * 500 + b"eU\1w" + tensor + b"u."
    checkpoint = opcodes(path, raw, Limits(scalars=100))
    assert len(checkpoint.scalars) == 100
    assert [problem.severity for problem in checkpoint.problems] == [Severity.INFO]
    assert checkpoint.problems[0].evidence == {"passed_over": 400}
    assert [record.fqn for record in checkpoint.tensors] == ["w"]


def test_an_old_tensor_of_more_elements_than_addresses_is_malformed(path: Path) -> None:
    size = b"(\x8a\x08" + (1 << 62).to_bytes(8, "little") + b"t"
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nU\x010U\3cpuK\4tQ"
    raw = b"}U\1wctorch\nFloatTensor\n)R(" + storage + b"K\0" + size + b"(K\1ttbs."
    assert set(codes(opcodes(path, raw))) == {"CD104"}


def test_big_endian_arrays_are_swapped_up_to_a_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_strings, "_SWAPPED_NBYTES", 100)
    array = np.arange(10, dtype=">f8")
    assert codes(dumped(path, {"a": array}, 2)) == []
    assert codes(dumped(path, {"a": array, "b": array.copy()}, 2)) == ["CD104"]
