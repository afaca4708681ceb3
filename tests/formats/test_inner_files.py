"""Tensors that ``pickle.dump`` wrote: torch files within the pickle."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint, Role
from ckptdoctor.diagnose import examine
from ckptdoctor.errors import CheckpointError, LimitExceededError
from ckptdoctor.finding import Finding, Verdict
from ckptdoctor.formats import open_checkpoint
from tests.builders import DTYPES, small_model, tensor_of, trained, training_checkpoint
from tests.each import each
from tests.formats.oracle import assert_same_scalars, assert_same_tensors, listed
from tests.formats.test_oracle import TREES, quantized

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LOAD = b"ctorch.storage\n_load_from_bytes\n"
CODE = b"\x80\x02cos\nsystem\n(S'true'\ntR."


def dumped(path: Path, obj: object, protocol: int) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(pickle.dumps(obj, protocol))
    return path


def loaded(path: Path) -> Any:
    """What Python's own unpickler makes of a file that the test has just made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pickle.loads(path.read_bytes())


def check(path: Path, obj: object, protocol: int) -> Checkpoint:
    """What Python's own unpickler makes of the file is what we list."""
    dumped(path, obj, protocol)
    checkpoint = open_checkpoint(path)
    assert (checkpoint.format, checkpoint.problems, checkpoint.calls) == ("pickle", (), ())
    assert [use.name for use in checkpoint.globals if use.runs_code] == []
    assert_same_tensors(checkpoint, loaded(path))
    return checkpoint


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.one_in(3)
def test_every_dtype(tmp_path: Path, dtype: str, protocol: int) -> None:
    shapes = {"scalar": (), "empty": (0,), "row": (5,), "cube": (2, 3, 4)}
    tree = {name: tensor_of(dtype, *shape) for name, shape in shapes.items()}
    try:
        dumped(tmp_path / "a.pkl", tree, protocol)
        loaded(tmp_path / "a.pkl")
    except (AttributeError, KeyError, RuntimeError):
        pytest.skip("torch itself cannot pickle this type, or not read it back")
    check(tmp_path / "a.pkl", tree, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [name for name in TREES if name != "meta"])
@pytest.mark.one_in(3)
def test_every_kind_of_tree(tmp_path: Path, name: str, protocol: int) -> None:
    tree = TREES[name]()
    checkpoint = check(tmp_path / "a.pkl", tree, protocol)
    assert_same_scalars(checkpoint, tree)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.one_in(3)
def test_arrays_stand_beside_tensors(tmp_path: Path, protocol: int) -> None:
    tree = {
        "tensor": torch.arange(3.0),
        "array": np.arange(6, dtype=np.float16).reshape(2, 3).T,
        "long": np.arange(400_000, dtype=np.float64),  # more than the machine holds of a text
        "weight": torch.arange(400_000.0),
        "quantized": quantized(),
        "storage": torch.arange(4.0).untyped_storage(),
    }
    dumped(tmp_path / "a.pkl", tree, protocol)
    checkpoint = open_checkpoint(tmp_path / "a.pkl")
    assert checkpoint.problems == ()
    ours = listed(checkpoint)
    assert ours.pop("storage")[:2] == ("uint8", (16,))
    del tree["storage"]
    dumped(tmp_path / "b.pkl", tree, protocol)
    assert_same_tensors(open_checkpoint(tmp_path / "b.pkl"), tree)


@each("protocol", PROTOCOLS)
def test_a_whole_module_is_named_as_its_state_dict(tmp_path: Path, protocol: int) -> None:
    net = small_model()
    path = dumped(tmp_path / "net.pkl", net, protocol)
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert_same_tensors(checkpoint, dict(net.state_dict()))
    (report,) = examine([path]).checkpoints
    assert report.verdict is Verdict.HEALTHY
    assert {finding.code for finding in report.findings} == {"CD105"}


def test_roles_are_those_of_any_state_dict(tmp_path: Path) -> None:
    checkpoint = check(tmp_path / "a.pkl", training_checkpoint(), 4)
    roles = {tensor.fqn.partition(".")[0]: tensor.role for tensor in checkpoint.tensors}
    assert roles == {"model_state_dict": Role.MODEL, "optimizer_state_dict": Role.OPTIMIZER}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_that_lie_in_the_file_are_found_there(tmp_path: Path, protocol: int) -> None:
    tree = {"small": torch.arange(3.0), "large": torch.arange(5000.0)}
    path = dumped(tmp_path / "a.pkl", tree, protocol)
    data = path.read_bytes()
    tensors = open_checkpoint(path).tensors
    assert [tensor.storage is not None and tensor.storage.is_plain for tensor in tensors] == [
        True,
        True,
    ]
    for tensor in tensors:
        ref = tensor.storage
        assert ref is not None
        assert data[ref.offset : ref.offset + ref.nbytes] == tree[tensor.fqn].numpy().tobytes()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_finite_is_seen(tmp_path: Path, protocol: int) -> None:
    tree = {"model": {"w": torch.full((9,), torch.nan), "v": torch.full((300_000,), torch.inf)}}
    (report,) = examine([dumped(tmp_path / "a.pkl", tree, protocol)]).checkpoints
    assert report.verdict is Verdict.CORRUPT
    assert {finding.code for finding in report.findings} >= {"CD201", "CD202"}


def test_a_zip_within_a_pickle_is_read_too(tmp_path: Path) -> None:
    out = io.BytesIO()
    torch.save(torch.arange(4.0).untyped_storage(), out)
    path = tmp_path / "a.pkl"
    before = b"X" + struct.pack("<I", 5000) + b" " * 5000 + b"0"  # or it looks like a zip itself
    call = LOAD + _bytes(out.getvalue()) + b"\x85R."
    path.write_bytes(b"\x80\x04" + before + call)
    checkpoint = open_checkpoint(path)
    assert (checkpoint.problems, checkpoint.calls) == ((), ())
    assert listed(checkpoint)["tensor"][2] == torch.arange(4.0).numpy().tobytes()
    (report,) = examine([path]).checkpoints
    assert (report.verdict, report.has_weights) == (Verdict.SUSPECT, False)  # a row of bytes


# -- what the loader may not be used for ---------------------------------------------------------


def _bytes(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def storage_file() -> bytes:
    """What torch's own storage gives to its loader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, (data,) = torch.arange(4.0).untyped_storage().__reduce__()  # type: ignore[no-untyped-call]
    assert type(data) is bytes
    return data


def stacked(obj: bytes) -> bytes:
    """A torch file around any pickle."""
    preamble: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {})
    return b"".join(pickle.dumps(part, 2) for part in preamble) + obj + pickle.dumps([], 2)


def nested(depth: int, inner: bytes) -> bytes:
    """A torch file in a torch file in ..."""
    for _ in range(depth):
        inner = stacked(b"\x80\x04" + LOAD + _bytes(inner) + b"\x85R.")
    return inner


GOOD = _bytes(storage_file())
MISUSES: dict[str, bytes] = {
    "no file of torch": LOAD + _bytes(b"hello") + b"\x85R",
    "a bare pickle": LOAD + _bytes(pickle.dumps({"a": 1})) + b"\x85R",
    "more than a storage": LOAD + _bytes(stacked(pickle.dumps({"a": 1}, 2))) + b"\x85R",
    "a text": LOAD + b"X\x02\x00\x00\x00hi\x85R",
    "a computed argument": LOAD + b"cbuiltins\nbytes\nK\x05\x85R\x85R",
    "another codec": LOAD + b"c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0utf16\x86R\x85R",
    "two arguments": LOAD + GOOD + b"N\x86R",
    "no argument": LOAD + b")R",
    "as a class": LOAD + GOOD + b"\x85\x81",
    "as an old object": b"(" + LOAD + GOOD + b"o",
    "by INST": b"(" + GOOD + b"itorch.storage\n_load_from_bytes\n",
    "handed on": b"cbuiltins\nmap\n" + LOAD + b"]" + GOOD + b"a\x86R",
    "handed on from the memo": LOAD + b"q\x00" + GOOD + b"\x85R0cbuiltins\nmap\nh\x00]\x86R",
    "handed on by a copy": LOAD + b"2" + GOOD + b"\x85R\x86",
    "kept in a list": b"]" + LOAD + b"a",
    "set as state": b"cbuiltins\nobject\n)\x81}X\x01\x00\x00\x00f" + LOAD + b"sb",
    "dropped": LOAD + b"0N",
    "returned": LOAD,
    "under another name": b"ctorch\nstorage._load_from_bytes\n" + GOOD + b"\x85R",
}


def report_of(path: Path, data: bytes) -> tuple[Verdict, dict[str, Finding]]:
    path.write_bytes(data)
    (report,) = examine([path]).checkpoints
    return report.verdict, {finding.code: finding for finding in report.findings}


@each("protocol", [b"\x80\x02", b"\x80\x04"])
@each("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_other_uses_of_the_loader_are_code(misuse: bytes, protocol: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(protocol + misuse + b".")
    (report,) = examine([path]).checkpoints
    assert report.verdict is not Verdict.HEALTHY
    found = {finding.subject: finding for finding in report.findings if finding.code == "CD106"}
    assert "elete" not in found["torch.storage._load_from_bytes"].remedy


def test_a_call_whose_result_is_dropped_is_read(tmp_path: Path) -> None:
    hidden = LOAD + _bytes(stacked(CODE)) + b"\x85R0"
    _, findings = report_of(tmp_path / "a.pkl", b"\x80\x04" + hidden + b"}.")
    assert findings["CD106"].message == "calls os.system('true')"


@pytest.mark.parametrize("depth", range(1, 5))
def test_code_in_files_within_files_is_named(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(nested(depth, stacked(CODE))) + b"\x85R.")
    checkpoint = open_checkpoint(path)
    assert "os.system" in {use.name for use in checkpoint.globals if use.runs_code}
    assert "os.system('true')" in {call.call for call in checkpoint.calls}


@pytest.mark.parametrize("part", range(5))
def test_code_in_any_of_its_pickles_is_named(part: int, tmp_path: Path) -> None:
    pickles = [pickle.dumps(obj, 2) for obj in (0x1950A86A20F9469CFC6C, 1001, {}, {"a": 1}, ["k"])]
    plain = pickles[part]
    pickles[part] = plain[:2] + CODE[2:-1] + b"0" + plain[2:]
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(b"".join(pickles)) + b"\x85R.")
    names = {use.name for use in open_checkpoint(path).globals if use.runs_code}
    assert ("os.system" in names) == (part < 4)  # behind an object that is no storage none goes on
    assert "torch.storage._load_from_bytes" in names


def test_code_behind_a_sound_storage_is_named(tmp_path: Path) -> None:
    """The list of keys is unpickled as well."""
    data = storage_file()
    keys = data.rindex(b"\x80\x02]")
    evil = data[: keys + 2] + CODE[2:-1] + b"0" + data[keys + 2 :]
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(evil) + b"\x85R.")
    assert [call.name for call in open_checkpoint(path).calls] == ["os.system"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_code_in_bytes_that_are_spelled_as_text_is_named(protocol: int, tmp_path: Path) -> None:
    for padding in (0, 2 << 20):  # the machine holds the one, and leaves the other in the file

        class Evil:
            file = stacked(CODE + b"\0" * padding)

            def __reduce__(self) -> tuple[object, ...]:
                return torch.storage._load_from_bytes, (self.file,)

        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps(Evil(), protocol))
        assert "os.system" in {use.name for use in open_checkpoint(path).globals if use.runs_code}


def test_code_far_behind_in_a_long_text_is_told(tmp_path: Path) -> None:
    """Of such a text the beginning is decoded; a pickle that goes on there is none of torch's."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            pads = b"\x80\x02" + b"N0" * (1 << 20)
            return torch.storage._load_from_bytes, (stacked(pads + CODE[2:]),)

    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(Evil(), 2))
    names = {use.name for use in open_checkpoint(path).globals if use.runs_code}
    assert names == {"torch.storage._load_from_bytes"}


def test_code_survives_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04}" + LOAD + _bytes(stacked(CODE)) + b"\x85R")
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert ("os.system", "os.system('true')") in caught.value.runs


def test_a_sound_cut_file_names_no_code(tmp_path: Path, stride: int) -> None:
    data = dumped(tmp_path / "a.pkl", {"w": torch.ones(5)}, 4).read_bytes()
    path = tmp_path / "b.pkl"
    for length in range(1, len(data), stride):
        path.write_bytes(data[:length])
        (report,) = examine([path]).checkpoints
        assert report.verdict is not Verdict.HEALTHY
        assert "CD106" not in {finding.code for finding in report.findings}


# -- damage and limits ---------------------------------------------------------------------------


def test_a_damaged_file_within_is_damage_and_no_code(tmp_path: Path) -> None:
    data = dumped(tmp_path / "a.pkl", {"w": torch.ones(5)}, 4).read_bytes()
    at = data.index(b"FloatStorage")
    verdict, findings = report_of(tmp_path / "a.pkl", data[: at + 12] + b"?" + data[at + 13 :])
    assert verdict is Verdict.CORRUPT
    assert set(findings) == {"CD104"}


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (struct.pack("<q", 6), "a size of 6 elements, and the pickle speaks of 5"),
        (struct.pack("<q", -1), "a size of -1 elements"),
    ],
)
def test_a_size_that_is_contradicted_is_told(new: bytes, says: str, tmp_path: Path) -> None:
    data = dumped(tmp_path / "a.pkl", {"w": torch.ones(5)}, 4).read_bytes()
    at = data.index(struct.pack("<q5f", 5, *[1.0] * 5))
    verdict, findings = report_of(tmp_path / "a.pkl", data[:at] + new + data[at + 8 :])
    assert verdict is Verdict.CORRUPT
    assert says in findings["CD104"].message


def test_a_storage_that_is_cut_within_its_bytes_is_told(tmp_path: Path) -> None:
    call = LOAD + _bytes(storage_file()[:-1]) + b"\x85R"
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + call + b".")
    (problem,) = open_checkpoint(path).problems
    assert "ends before the storage that it promises" in problem.message
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(storage_file() + b"junk") + b"\x85R.")
    (problem,) = open_checkpoint(path).problems
    assert problem.message == "4 bytes follow it in its byte string"


def test_damage_in_a_file_that_nothing_holds_is_told(tmp_path: Path) -> None:
    broken = stacked(b"\x80\x02\xff.")
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(broken) + b"\x85R0}.")
    (problem,) = open_checkpoint(path).problems
    assert problem.message.startswith("a file within the pickle cannot be read")


def test_files_within_files_have_a_depth(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(nested(12, storage_file())) + b"\x85R.")
    with pytest.raises(LimitExceededError, match="files within files"):
        open_checkpoint(path)


def test_opcodes_are_counted_over_all_levels(tmp_path: Path) -> None:
    bomb = stacked(b"\x80\x02" + b"N0" * 3000 + b"N.")
    inner = b"".join(LOAD + _bytes(bomb) + b"\x85R0" for _ in range(40))
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + LOAD + _bytes(stacked(b"\x80\x04" + inner + b"N.")) + b"\x85R.")
    from ckptdoctor.formats import Limits

    with pytest.raises(LimitExceededError, match="opcodes"):
        open_checkpoint(path, Limits(opcodes=50_000))


def test_a_file_that_is_named_often_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ckptdoctor.formats.pickle import inner, loading

    reads: list[object] = []
    real: Callable[..., Any] = inner.read_inner

    def counting(*args: Any) -> Any:
        reads.append(args)
        return real(*args)

    monkeypatch.setattr(loading, "read_inner", counting)
    first = LOAD + b"q\x00" + GOOD + b"q\x01\x85R"
    again = b"h\x00h\x01\x85R"
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04](" + first + again * 1000 + b"e.")
    checkpoint = open_checkpoint(path)
    assert len(checkpoint.tensors) == 1001
    assert len({tensor.storage for tensor in checkpoint.tensors}) == 1
    assert len(reads) == 1


def test_an_optimizer_keeps_its_names(tmp_path: Path) -> None:
    _, optimizer = trained(torch.optim.Adadelta)
    check(tmp_path / "a.pkl", {"optimizer": optimizer.state_dict()}, 4)


@each("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_records_are_passed_over(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pkl"
    records = np.zeros(2, dtype=[("a", "f4"), ("b", "i8")]).view(np.recarray)
    tree = {"all": records, "one": records[0], "after": np.arange(2.0)}
    path.write_bytes(pickle.dumps(tree, protocol))
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["after"]
