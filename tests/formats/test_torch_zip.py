"""Zip checkpoints: whole, cut, re-packed, and contradicting themselves."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint, Role
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.limits import Limits
from tests.builders import (
    central_entries,
    data_span,
    load,
    patched,
    rezip,
    save,
    training_checkpoint,
)
from tests.formats.oracle import assert_same_tensors, described, listed


def problems(checkpoint: Checkpoint, code: str = "CD104") -> list[str]:
    return [f"{p.subject}: {p.message}" for p in checkpoint.problems if p.code == code]


class Unseekable(io.RawIOBase):
    """Takes bytes only, so that zipfile writes sizes behind the data, as torch does."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: Any, /) -> int:
        self.data += data
        return len(data)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return {"a": torch.arange(4.0), "b": torch.arange(3), "c": torch.ones(2, 2).half()}


@pytest.fixture
def path(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    return save(tmp_path / "ckpt.pt", state)


# -- whole ---------------------------------------------------------------------------------------


def test_a_checkpoint_is_described(tmp_path: Path) -> None:
    path = save(tmp_path / "best.pth", training_checkpoint())
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-zip"
    assert checkpoint.path == path
    assert checkpoint.nbytes == path.stat().st_size == checkpoint.identity.nbytes
    assert checkpoint.byteorder == "little"
    assert checkpoint.problems == ()
    assert checkpoint.scalars["epoch"] == 88
    assert checkpoint.scalars["optimizer_state_dict.param_groups.0.lr"] == 0.001
    roles = {tensor.fqn.partition(".")[0]: tensor.role for tensor in checkpoint.tensors}
    assert roles == {"model_state_dict": Role.MODEL, "optimizer_state_dict": Role.OPTIMIZER}


def test_every_record_carries_its_checksum(path: Path) -> None:
    data = path.read_bytes()
    checkpoint = open_checkpoint(path)
    assert len(checkpoint.records) > 4
    for record in checkpoint.records:
        raw = data[record.offset : record.offset + record.nbytes]
        assert record.crc32 == zlib.crc32(raw), record.key


def test_globals_are_placed_in_the_file(path: Path) -> None:
    use = open_checkpoint(path).globals[0]
    assert use.name == "torch._utils._rebuild_tensor_v2"
    at = path.read_bytes()[use.offset :]
    assert at.startswith(b"ctorch._utils\n_rebuild_tensor_v2\n")
    assert use.count == 1


def test_calls_are_placed_in_the_file(path: Path, tmp_path: Path) -> None:
    evil = b"cos\nsystem\n(S'id'\ntR."
    bad = rezip(path, tmp_path / "bad.pt", replace={"data.pkl": evil})
    (call,) = open_checkpoint(bad).calls
    start = bad.read_bytes().index(evil)
    assert (call.name, call.call, call.offset) == ("os.system", "os.system('id')", start + 19)


def test_a_program_of_torchscript_that_writes_a_file_is_code(tmp_path: Path) -> None:
    class Writes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "out.pt")
            return x

    class Computes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x)

    told = {}
    for net in (Writes(), Computes()):
        path = tmp_path / f"{type(net).__name__}.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(net).save(str(path))  # type: ignore[no-untyped-call]
        told[path.stem] = [call.name for call in open_checkpoint(path).calls]
    assert told == {"Writes": ["torch.save"], "Computes": []}


def test_torchscript_is_known_and_its_constants_are_listed(tmp_path: Path) -> None:
    class Scripted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> Any:
            return self.layer(x) + torch.arange(2.0)

    path = tmp_path / "model.jit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Scripted()
        traced = torch.jit.trace(model, torch.ones(1, 2))  # type: ignore[no-untyped-call]
        traced.save(str(path))
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torchscript"
    assert checkpoint.problems == ()
    assert all(use.allowed for use in checkpoint.globals)
    ours = listed(checkpoint)
    assert {k: v for k, v in ours.items() if not k.startswith("constants")} == described(
        model.state_dict()
    )


def test_big_endian_is_told(path: Path, tmp_path: Path) -> None:
    big = rezip(path, tmp_path / "big.pt", replace={"byteorder": b"big"})
    assert open_checkpoint(big).byteorder == "big"
    absurd = rezip(path, tmp_path / "absurd.pt", replace={"byteorder": b"big" * 100})
    assert open_checkpoint(absurd).byteorder == "little"


def test_scalar_tensors_follow_the_byte_order(tmp_path: Path) -> None:
    tree = {"model": {"w": torch.ones(3)}, "epoch": torch.tensor(258)}
    path = save(tmp_path / "a.pt", tree)
    assert open_checkpoint(path).scalars["epoch"] == 258
    raw = struct.pack(">q", 258)
    with zipfile.ZipFile(path) as archive:
        name = next(i.filename for i in archive.infolist() if archive.read(i) == raw[::-1])
    swapped = {"byteorder": b"big", name.partition("/")[2]: raw}
    big = rezip(path, tmp_path / "big.pt", replace=swapped)
    assert open_checkpoint(big).scalars["epoch"] == 258


# -- written by others ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "rename"),
    [
        (zipfile.ZIP_STORED, str),
        (zipfile.ZIP_DEFLATED, str),
        (zipfile.ZIP_DEFLATED, lambda name: name.partition("/")[2]),
        (zipfile.ZIP_STORED, lambda name: "archive/" + name.partition("/")[2]),
        (zipfile.ZIP_STORED, lambda name: "deep/er/" + name.partition("/")[2]),
    ],
    ids=["stored", "deflated", "no folder", "archive", "two folders"],
)
def test_repacked_archives_hold_the_same(
    path: Path, tmp_path: Path, state: object, method: int, rename: Callable[[str], str]
) -> None:
    again = rezip(path, tmp_path / "again.pt", method=method, rename=rename)
    checkpoint = open_checkpoint(again)
    assert checkpoint.problems == ()
    assert_same_tensors(checkpoint, state)
    deflated = {tensor.storage and tensor.storage.deflated_nbytes for tensor in checkpoint.tensors}
    assert (deflated == {None}) == (method == zipfile.ZIP_STORED)


def test_a_deflated_archive_that_streamed_its_sizes(tmp_path: Path, path: Path) -> None:
    """Sizes behind the data, and no directory: what is left of a cut stream."""
    target = tmp_path / "stream.pt"

    stream = Unseekable()
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(cast("IO[bytes]", stream), "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    target.write_bytes(stream.data)
    assert_same_tensors(open_checkpoint(target), load(path))
    target.write_bytes(stream.data[: stream.data.index(b"PK\x01\x02")])
    checkpoint = open_checkpoint(target)
    assert [p.code for p in checkpoint.problems] == ["CD102"]
    assert_same_tensors(checkpoint, load(path))


def test_zip64_sizes_are_read(tmp_path: Path, state: object, path: Path) -> None:
    target = tmp_path / "large.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            with new.open(info.filename, "w", force_zip64=True) as out:
                out.write(old.read(info))
    assert_same_tensors(open_checkpoint(target), state)


def test_a_directory_of_zip64_entries_is_read(tmp_path: Path, path: Path, state: object) -> None:
    """Every size and offset moved to the extra field, as in archives beyond 4 GiB."""
    data = path.read_bytes()
    entries = central_entries(data)
    start, out = min(entries.values()), b""
    for at in sorted(entries.values()):
        fields = list(struct.unpack_from("<4s6H3I5H2I", data, at))
        name = data[at + 46 : at + 46 + fields[10]]
        extra = struct.pack("<HHB", 0x7777, 1, 0)
        extra += struct.pack("<HHQQQ", 1, 24, fields[9], fields[8], fields[16])
        fields[8] = fields[9] = fields[16] = 0xFFFF_FFFF
        fields[11], fields[12] = len(extra), 0
        out += struct.pack("<4s6H3I5H2I", *fields) + name + extra
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, len(entries), len(entries), len(out), start, 0
    )
    target = tmp_path / "moved.pt"
    target.write_bytes(data[:start] + out + end)
    checkpoint = open_checkpoint(target)
    assert checkpoint.problems == ()
    assert_same_tensors(checkpoint, state)


def test_a_zip64_entry_without_its_sizes_is_a_problem(tmp_path: Path, path: Path) -> None:
    data = path.read_bytes()
    at = next(at for name, at in central_entries(data).items() if name.endswith("data/0"))
    patched(path, at + 42, b"\xff\xff\xff\xff")
    checkpoint = open_checkpoint(path)
    assert any("missing" in text for text in problems(checkpoint))
    assert checkpoint.tensors[0].lost


def test_macos_copies_beside_the_pickle_are_passed_over(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "mac.pt", "w") as new:
        new.writestr("__MACOSX/ckpt/data.pkl", b"junk")
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert len(open_checkpoint(tmp_path / "mac.pt").tensors) == 3


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (["model.pth", "readme.txt"], "a zip archive that holds 'model.pth': unpack it first"),
        (["a.npy", "b.npy"], "a numpy .npz archive"),
        (["m/archive_format", "m/models/x"], "a torch.export archive"),
        (["photo.png", "x"], "a zip archive of 2 other records, the first being 'photo.png'"),
    ],
)
def test_other_archives_are_named(tmp_path: Path, members: list[str], says: str) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, b"content")
    with pytest.raises(UnknownFormatError, match=re.escape(says)):
        open_checkpoint(path)


def test_a_numpy_archive_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(UnknownFormatError, match="npz"):
        open_checkpoint(tmp_path / "x.npz")


# -- cut -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", [torch.quint4x2, torch.quint2x4])
def test_elements_that_share_a_byte(kind: torch.dtype, legacy: bool, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = torch.rand(6, 8)
        scales = torch.full((6,), 0.1)
        packed = torch.quantize_per_channel(rows, scales, torch.zeros(6), 0, kind)
    path = tmp_path / "net.pt"
    save(path, {"w": packed}, _use_new_zipfile_serialization=not legacy)
    found = open_checkpoint(path)
    assert found.problems == ()
    tensor = found.tensors[0]
    assert tensor.storage is not None
    assert tensor.shape == (tensor.storage.nbytes,)
    assert not tensor.lost


def test_cut_at_every_length_every_whole_tensor_is_listed(
    tmp_path: Path, path: Path, state: dict[str, torch.Tensor], stride: int
) -> None:
    data = path.read_bytes()
    whole = listed(open_checkpoint(path))
    ends = {
        name: sum(data_span(path, f"ckpt/data/{index}"))  # its descriptor is not needed
        for index, name in enumerate(state)
    }
    cut = tmp_path / "cut.pt"
    answers = set()
    for length in range(4, len(data), stride):
        cut.write_bytes(data[:length])
        try:
            checkpoint = open_checkpoint(cut)
        except CheckpointError as error:
            answers.add(type(error).__name__ if length < ends["a"] else f"error at {length}")
            continue
        answers.add("Checkpoint")
        assert problems(checkpoint, "CD102")
        found = {tensor.fqn for tensor in checkpoint.tensors if not tensor.lost}
        assert found == {name for name, end in ends.items() if end <= length}
        for tensor in checkpoint.tensors:
            if not tensor.lost:
                assert tensor.storage is not None
                at = tensor.storage.offset
                assert data[at : at + tensor.storage.nbytes] == whole[tensor.fqn][2]
    assert answers == {"Checkpoint", "TruncatedCheckpointError"}


def test_a_cut_file_says_how_much_is_whole(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {str(i): torch.ones(1000) for i in range(4)})
    patched(path, 0, path.read_bytes()[:10_000])
    path.write_bytes(path.read_bytes()[:10_000])
    problem = open_checkpoint(path).problems[0]
    assert problem.message == "the file is cut: 2 of 4 tensors are whole"
    assert problem.evidence == {"whole": 2, "lost": 2, "first_lost": "2"}


def test_a_cut_archive_of_zipfile_is_saved_too(tmp_path: Path, path: Path) -> None:
    again = rezip(path, tmp_path / "again.pt")
    start, nbytes = data_span(again, "ckpt/data/0")
    again.write_bytes(again.read_bytes()[: start + nbytes])
    assert [tensor.lost for tensor in open_checkpoint(again).tensors] == [False, True, True]
    again.write_bytes(again.read_bytes()[: start + nbytes - 1])
    assert all(tensor.lost for tensor in open_checkpoint(again).tensors)


@pytest.mark.parametrize("there", range(17))
def test_a_tensor_whose_descriptor_is_cut_is_saved(
    path: Path, state: dict[str, torch.Tensor], there: int
) -> None:
    """Its size is known from the pickle; its checksum, if that much of the descriptor is there."""
    start, nbytes = data_span(path, "ckpt/data/0")
    path.write_bytes(path.read_bytes()[: start + nbytes + there])
    checkpoint = open_checkpoint(path)
    assert [tensor.lost for tensor in checkpoint.tensors] == [False, True, True]
    storage = checkpoint.tensors[0].storage
    assert storage is not None
    expected = zlib.crc32(state["a"].numpy().tobytes())
    assert storage.crc32 == (expected if there >= 8 else 0)
    assert storage.nbytes == nbytes


def test_bytes_that_begin_no_descriptor_are_no_end_of_a_record(path: Path) -> None:
    start, nbytes = data_span(path, "ckpt/data/0")
    path.write_bytes(path.read_bytes()[: start + nbytes] + b"PK\x07\x09")
    assert all(tensor.lost for tensor in open_checkpoint(path).tensors)


def test_a_cut_zip64_archive_is_saved_too(
    tmp_path: Path, path: Path, state: dict[str, torch.Tensor]
) -> None:
    """Sizes in the extra field of the local headers, in an archive that lost its directory."""
    target = tmp_path / "large.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            with new.open(info.filename, "w", force_zip64=True) as out:
                out.write(old.read(info))
    data = target.read_bytes()
    target.write_bytes(data[: data.index(b"PK\x01\x02")])
    checkpoint = open_checkpoint(target)
    assert problems(checkpoint, "CD102")
    assert_same_tensors(checkpoint, state)


def test_an_extra_field_that_is_cut_short_is_no_crash(tmp_path: Path, path: Path) -> None:
    target = tmp_path / "large.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            with new.open(info.filename, "w", force_zip64=True) as out:
                out.write(old.read(info))
    data = target.read_bytes()
    data = data[: data.index(b"PK\x01\x02")]
    start = data.index(b"ckpt/data/0") - 30
    name, extra = struct.unpack_from("<HH", data, start + 26)
    assert extra == 20
    for shorter in (4, 11, 12, 19):
        at = start + 30 + name
        target.write_bytes(
            data[: start + 28]
            + struct.pack("<H", shorter)
            + data[start + 30 : at + shorter]
            + data[at + extra :]
        )
        assert all(tensor.lost for tensor in open_checkpoint(target).tensors), shorter


def test_descriptor_marks_inside_a_tensor_do_not_end_it(tmp_path: Path) -> None:
    evil = torch.frombuffer(bytearray(b"PK\x07\x08" * 500), dtype=torch.uint8)
    path = save(tmp_path / "a.pt", {"w": evil, "x": torch.ones(1)})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"PK\x01\x02")])
    (problem,) = open_checkpoint(path).problems
    assert problem.evidence["whole"] == 2


def test_sizes_that_the_pickle_lies_about_do_not_matter(tmp_path: Path, path: Path) -> None:
    """A hint that leads nowhere, even before the file, is followed by a search."""
    data = path.read_bytes()
    data = data[: data.index(b"PK\x01\x02")]
    count = data.index(b"K\x04tq")  # the number of elements of the first storage
    for lie in (b"K\x09", b"K\x00"):
        patched(path, 0, data)
        path.write_bytes(data[:count] + lie + data[count + 2 :])
        assert [record.key for record in open_checkpoint(path).records][-1].count("serialization")


def test_negative_sizes_in_a_cut_file_are_no_crash(tmp_path: Path, path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        pkl = archive.read("ckpt/data.pkl")
    lie = pkl.replace(b"K\x04tq", b"J\xff\xff\xff\x80tq", 1)
    assert lie != pkl
    bad = tmp_path / "bad.pt"

    stream = Unseekable()
    with zipfile.ZipFile(cast("IO[bytes]", stream), "w") as archive:
        archive.writestr("ckpt/data.pkl", lie)
        archive.writestr("ckpt/data/0", b"\0" * 16)
    bad.write_bytes(stream.data[: stream.data.index(b"PK\x01\x02")])
    checkpoint = open_checkpoint(bad)
    assert [record.key for record in checkpoint.records] == ["ckpt/data.pkl", "ckpt/data/0"]


def test_the_search_for_a_descriptor_crosses_windows(tmp_path: Path) -> None:
    """A deflated record longer than a window, its size told only behind it."""
    noise = torch.randint(0, 256, (2_500_000,), dtype=torch.uint8)
    path = save(tmp_path / "a.pt", {"w": noise})

    stream = Unseekable()
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(cast("IO[bytes]", stream), "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    cut = tmp_path / "cut.pt"
    cut.write_bytes(stream.data[: stream.data.rindex(b"PK\x01\x02") - 300])
    assert_same_tensors(open_checkpoint(cut), {"w": noise})


# -- contradictions ------------------------------------------------------------------------------


def entry(path: Path, name: str) -> int:
    return central_entries(path.read_bytes())[name]


def test_a_flipped_byte_anywhere_gives_a_checkpoint_or_a_checkpoint_error(
    tmp_path: Path, path: Path, stride: int
) -> None:
    data = path.read_bytes()
    bad = tmp_path / "bad.pt"
    answers: dict[str, int] = {}
    interesting = [*range(700), *range(data.index(b"PK\x01\x02"), len(data))]
    for at in interesting[::stride]:
        bad.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        try:
            name = type(open_checkpoint(bad)).__name__
        except CheckpointError as error:
            name = type(error).__name__ if str(bad) in str(error) else "nameless"
        answers[name] = answers.get(name, 0) + 1
    assert "nameless" not in answers
    assert answers["Checkpoint"] > 100 // stride
    assert answers["CorruptCheckpointError"] > 10 // stride


def test_duplicates_are_reported(path: Path, tmp_path: Path) -> None:
    twice = rezip(path, tmp_path / "twice.pt", append=[("ckpt/data/0", b"\0" * 16)])
    assert problems(open_checkpoint(twice)) == ["ckpt/data/0: the record is there twice"]


def test_case_variants_are_reported(path: Path, tmp_path: Path) -> None:
    variant = rezip(path, tmp_path / "variant.pt", append=[("ckpt/DATA/0", b"\0" * 16)])
    (text,) = problems(open_checkpoint(variant))
    assert "beside 'ckpt/data/0', which torch takes for it" in text


def test_letters_that_only_unicode_folds_are_no_variants(path: Path, tmp_path: Path) -> None:
    other = rezip(path, tmp_path / "o.pt", append=[("ckpt/ß", b"1"), ("ckpt/ss", b"2")])
    assert open_checkpoint(other).problems == ()


def test_records_that_share_bytes_are_reported(path: Path) -> None:
    data = path.read_bytes()
    first, second = entry(path, "ckpt/data/0"), entry(path, "ckpt/data/1")
    patched(path, second + 42, data[first + 42 : first + 46])
    texts = problems(open_checkpoint(path))
    assert any("shares its bytes with" in text for text in texts)
    assert any("disagree about the name" in text for text in texts)


def test_a_local_header_of_another_method_is_reported(path: Path, tmp_path: Path) -> None:
    again = rezip(path, tmp_path / "again.pt")
    start, _ = data_span(again, "ckpt/data/0")
    header = again.read_bytes().rindex(b"PK\x03\x04", 0, start)
    patched(again, header + 8, b"\x08\x00")
    patched(again, header + 14, b"\x01\x02\x03\x04")
    patched(again, header + 18, struct.pack("<II", 5, 6))
    (text,) = problems(open_checkpoint(again))
    assert text.endswith("about the method and the crc32 and the size and the stored size")


@pytest.mark.parametrize(
    ("at", "new", "says"),
    [
        (8, b"\x01\x00", "encrypted"),
        (10, b"\x0c\x00", "compressed by method 12"),
        (20, b"\x05\x00\x00\x00", "takes 5"),
        (42, b"\x01\x00\x00\x00", "no header where it should be"),
        (42, b"\xf0\xff\xff\x7f", "no header where it should be"),
        (8, b"\x28\x00", "the record is a patch"),
        (34, b"\x01\x00", "lies on another disk, number 1"),
    ],
    ids=["encrypted", "method", "sizes", "offset", "far offset", "patch", "disk"],
)
def test_a_record_that_cannot_be_read_is_reported_and_its_tensor_lost(
    path: Path, at: int, new: bytes, says: str
) -> None:
    patched(path, entry(path, "ckpt/data/0") + at, new)
    checkpoint = open_checkpoint(path)
    assert any(says in text for text in problems(checkpoint))
    assert [tensor.lost for tensor in checkpoint.tensors] == [True, False, False]


def test_a_record_that_is_marked_as_a_folder_is_reported(path: Path, tmp_path: Path) -> None:
    """torch refuses it, and its tensor is there all the same."""
    patched(path, entry(path, "ckpt/data/0") + 38, b"\x10")
    checkpoint = open_checkpoint(path)
    assert problems(checkpoint) == [
        "ckpt/data/0: the record is marked as a folder: torch refuses it"
    ]
    assert not checkpoint.tensors[0].lost
    folder = rezip(path, tmp_path / "folder.pt", append=[("ckpt/", b"")])
    patched(folder, entry(folder, "ckpt/") + 38, b"\x10")
    assert open_checkpoint(folder).problems == ()


def test_a_record_that_runs_into_the_directory_is_reported(path: Path) -> None:
    patched(path, entry(path, "ckpt/data/0") + 20, struct.pack("<II", 1 << 20, 1 << 20))
    assert any("runs into the directory" in text for text in problems(open_checkpoint(path)))


def test_a_directory_that_announces_other_records_is_reported(path: Path) -> None:
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    at64 = data.rindex(b"PK\x06\x06")
    patched(path, at + 8, struct.pack("<HH", 77, 77))
    patched(path, at64 + 24, struct.pack("<QQ", 77, 77))
    assert any("announces 77 records" in text for text in problems(open_checkpoint(path)))


def test_a_directory_outside_the_file_is_a_cut_file(path: Path, state: object) -> None:
    data = path.read_bytes()
    patched(path, data.rindex(b"PK\x06\x06") + 48, struct.pack("<Q", 1 << 40))
    checkpoint = open_checkpoint(path)
    assert problems(checkpoint, "CD102")
    assert_same_tensors(checkpoint, state)


def test_missing_records_are_reported(path: Path, tmp_path: Path) -> None:
    without = rezip(path, tmp_path / "without.pt", drop=["data/0", "data/2"])
    checkpoint = open_checkpoint(without)
    assert problems(checkpoint) == ["data/0: the records of 2 storages are missing"]
    assert [tensor.lost for tensor in checkpoint.tensors] == [True, False, True]


def test_short_records_are_reported(path: Path, tmp_path: Path) -> None:
    short = rezip(path, tmp_path / "short.pt", replace={"data/0": b"\0" * 15})
    checkpoint = open_checkpoint(short)
    assert problems(checkpoint) == ["ckpt/data/0: the record holds 15 bytes, its tensors need 16"]
    assert checkpoint.tensors[0].lost
    assert checkpoint.tensors[0].storage is None


def test_long_records_are_reported_and_their_tensors_kept(path: Path, tmp_path: Path) -> None:
    """torch 2.6 and later refuse them."""
    long = rezip(path, tmp_path / "long.pt", replace={"data/0": b"\0" * 20})
    checkpoint = open_checkpoint(long)
    assert problems(checkpoint) == ["ckpt/data/0: the record holds 20 bytes, its storage only 16"]
    assert not checkpoint.tensors[0].lost


def test_a_storage_under_another_tag_is_none(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("ckpt/data.pkl")
    bad = rezip(path, tmp_path / "b.pt", replace={"data.pkl": raw.replace(b"storage", b"sTorage")})
    checkpoint = open_checkpoint(bad)
    assert checkpoint.tensors == ()
    assert "not a tensor that torch could have written" in problems(checkpoint)[0]


def test_a_byte_order_that_is_none_is_reported(path: Path, tmp_path: Path) -> None:
    bad = rezip(path, tmp_path / "b.pt", replace={"byteorder": b"lIttle"})
    assert problems(open_checkpoint(bad)) == [
        "ckpt/byteorder: the byte order 'lIttle', which torch does not know"
    ]


def test_bytes_behind_the_pickle_are_reported(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("ckpt/data.pkl")
    more = rezip(path, tmp_path / "more.pt", replace={"data.pkl": raw + b"cos\nsystem\n."})
    assert problems(open_checkpoint(more)) == [
        "ckpt/data.pkl: 12 bytes follow the end of the pickle"
    ]


def test_a_tensor_larger_than_its_storage_is_lost(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("ckpt/data.pkl")
    lie = raw.replace(b"QK\x00K\x04\x85", b"QK\x00K\x05\x85", 1)
    assert lie != raw
    bad = rezip(path, tmp_path / "bad.pt", replace={"data.pkl": lie})
    checkpoint = open_checkpoint(bad)
    assert problems(checkpoint) == ["a: needs 20 bytes of a storage that holds 16"]
    assert checkpoint.tensors[0].lost


def test_many_tensors_beyond_their_storage_are_summed_up(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {str(i): torch.ones(4) for i in range(30)})
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("a/data.pkl")
    bad = rezip(
        path, tmp_path / "b.pt", replace={"data.pkl": re.sub(rb"QK\x00K\x04", b"QK\x01K\x04", raw)}
    )
    texts = problems(open_checkpoint(bad))
    assert len(texts) == 21
    assert texts[-1] == "tensors: 10 more reach beyond their storage"


@pytest.mark.parametrize(
    ("pickled", "error", "says"),
    [
        (b"\xff", CorruptCheckpointError, "no pickle opcode 0xff"),
        (b"\x80\x02]", CorruptCheckpointError, "ends too early"),
        (b"\x8b\xff\xff\xff\x7f", LimitExceededError, "an integer of"),
    ],
)
def test_a_pickle_that_cannot_be_read_is_an_error(
    path: Path, tmp_path: Path, pickled: bytes, error: type[CheckpointError], says: str
) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        bad = rezip(path, tmp_path / "b.pt", method=method, replace={"data.pkl": pickled})
        with pytest.raises(error, match=says) as caught:
            open_checkpoint(bad)
        assert caught.value.offset is not None
        assert caught.value.path == bad


def test_an_opcode_limit_is_kept(path: Path) -> None:
    with pytest.raises(LimitExceededError, match="opcodes"):
        open_checkpoint(path, Limits(opcodes=20))


def test_a_directory_beyond_the_limit_is_not_held_in_memory(path: Path) -> None:
    checkpoint = open_checkpoint(path, Limits(metadata_nbytes=50))
    assert problems(checkpoint, "CD102")


def deflated(path: Path, tmp_path: Path) -> Path:
    return rezip(path, tmp_path / "deflated.pt", method=zipfile.ZIP_DEFLATED)


def test_a_pickle_that_claims_to_inflate_beyond_reason_is_refused(
    path: Path, tmp_path: Path
) -> None:
    bad = deflated(path, tmp_path)
    patched(bad, entry(bad, "ckpt/data.pkl") + 24, struct.pack("<I", 1 << 31))
    with pytest.raises(LimitExceededError, match="claims to inflate to 2147483648 bytes"):
        open_checkpoint(bad)


def test_a_pickle_that_claims_no_size_is_no_bomb(path: Path, tmp_path: Path) -> None:
    bad = deflated(path, tmp_path)
    patched(bad, entry(bad, "ckpt/data.pkl") + 24, struct.pack("<I", 0))
    with pytest.raises(CorruptCheckpointError, match="too early"):
        open_checkpoint(bad)


def test_a_pickle_that_does_not_inflate_is_corrupt(path: Path, tmp_path: Path) -> None:
    bad = deflated(path, tmp_path)
    start, _ = data_span(bad, "ckpt/data.pkl")
    patched(bad, start, b"\xff" * 8)
    with pytest.raises(CorruptCheckpointError, match="cannot be inflated"):
        open_checkpoint(bad)


def test_a_cut_archive_without_its_pickle_is_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(TruncatedCheckpointError, match="before the first tensor"):
        open_checkpoint(path)
