"""Zip checkpoints that are cut, damaged, or built to show each reader something else."""

from __future__ import annotations

import functools
import io
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.good import zip_bytes
from tests.bad_inputs.kind import Family
from tests.bad_inputs.strangers import objects
from tests.builders import central_entries, data_span, patched, rezip

__all__ = ["CUT_ZIPS", "ZIPS"]

CUT_ZIPS = Family("a cut zip")
ZIPS = Family("a damaged zip")

_CUT = "the file is cut"
_BEFORE = "the file ends inside its pickle"


def _span(name: str) -> tuple[int, int]:
    """Offset and size of a record of the sound file."""
    with zipfile.ZipFile(io.BytesIO(zip_bytes())) as archive:
        info = archive.getinfo(f"archive/{name}")
    data = zip_bytes()
    name_nbytes, extra_nbytes = struct.unpack_from("<HH", data, info.header_offset + 26)
    return info.header_offset + 30 + name_nbytes + extra_nbytes, info.compress_size


def _entry(name: str) -> int:
    return central_entries(zip_bytes())[f"archive/{name}"]


def _again(path: Path, **changes: object) -> Path:
    """The sound file written anew by ``zipfile``, changed."""
    source = path.with_name("source.tmp")
    source.write_bytes(zip_bytes())
    rezip(source, path, **changes)  # type: ignore[arg-type]
    source.unlink()
    return path


def _patch(path: Path, at: int, new: bytes) -> None:
    path.write_bytes(zip_bytes())
    patched(path, at, new)


@functools.cache
def pickled() -> bytes:
    """``data.pkl`` of the sound file."""
    at, nbytes = _span("data.pkl")
    return zip_bytes()[at : at + nbytes]


def _with_pickle(path: Path, change: Callable[[bytes], bytes]) -> None:
    raw = change(pickled())
    assert raw != pickled()
    _again(path, replace={"data.pkl": raw})


# -- cut -----------------------------------------------------------------------------------------


def _cuts() -> None:
    data = zip_bytes()
    first, nbytes = _span("data/0")
    last, _ = _span("data/2")
    directory = data.index(b"PK\x01\x02")
    for name, length, code, says, verdict in (
        ("the first header alone", 30, "CD102", _BEFORE, "unreadable"),
        ("four bytes", 4, "CD102", _BEFORE, "unreadable"),
        ("inside the first header", 12, "CD102", _BEFORE, "unreadable"),
        ("inside the pickle", _span("data.pkl")[0] + 40, "CD102", _BEFORE, "unreadable"),
        ("behind the pickle", first - 80, "CD102", "0 of 3 tensors are whole", "corrupt"),
        ("at the first tensor", first, "CD102", "0 of 3 tensors are whole", "corrupt"),
        ("inside the first tensor", first + nbytes - 1, "CD102", "0 of 3 tensors", "corrupt"),
        ("behind the first tensor", first + nbytes, "CD102", "1 of 3 tensors are", "corrupt"),
        ("inside the last tensor", last + 5, "CD102", "2 of 3 tensors are whole", "corrupt"),
        ("before the directory", directory, "CD102", "3 of 3 tensors", "salvageable"),
        ("inside the directory", directory + 50, "CD102", "3 of 3 tensors", "salvageable"),
        ("before the end record", data.rindex(b"PK\5\6"), "CD102", "3 of 3 tensors", "salvageable"),
        (
            "one byte from the end",
            len(data) - 1,
            "CD102",
            "3 of 3 tensors are whole",
            "salvageable",
        ),
    ):

        def build(path: Path, length: int = length) -> None:
            path.write_bytes(zip_bytes()[:length])

        build.__name__ = f"zip cut {name}"
        CUT_ZIPS.kind(code, says, verdict)(build)


_cuts()


@CUT_ZIPS.kind("CD102", _CUT, "corrupt")
def zip_whose_second_half_is_zeros(path: Path) -> None:
    data = zip_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


@CUT_ZIPS.kind("CD101", "starts with zeros")
def zip_whose_first_half_is_zeros(path: Path) -> None:
    half = zip_bytes() * 4  # longer than what is looked at first
    path.write_bytes(bytes(len(half) // 2) + half[len(half) // 2 :])


@CUT_ZIPS.kind("CD104", "")
def zip_whose_first_block_is_zeros(path: Path) -> None:
    path.write_bytes(b"PK\3\4" + bytes(508) + zip_bytes()[512:])


@CUT_ZIPS.kind("CD103", "checksum mismatch", "corrupt")
def zip_with_a_block_of_zeros_in_a_tensor(path: Path) -> None:
    at, _ = _span("data/0")
    _patch(path, at, bytes(48))


@CUT_ZIPS.kind("CD102", _CUT, "corrupt")
def two_halves_of_two_files(path: Path) -> None:
    data = zip_bytes()
    path.write_bytes(data[: len(data) // 3] + data[: len(data) // 3])


# -- cut behind code: loading it once it is repaired would run it ---------------------------------

_CODE = b"cbuiltins\nexec\n(Vpass\ntR0"
_NOISE = b"V" + random.Random(0).randbytes(4000).hex().encode() + b"\n0"


def _cut_in_the_pickle(path: Path, method: int) -> None:
    raw = pickled()[:2] + _CODE + _NOISE + pickled()[2:]
    data = _again(path, method=method, replace={"data.pkl": raw}).read_bytes()
    path.write_bytes(data[: data.index(b"data.pkl") + 2000])


@CUT_ZIPS.kind("CD106", "calls builtins.exec('pass')")
def zip_cut_behind_code_in_its_pickle(path: Path) -> None:
    _cut_in_the_pickle(path, zipfile.ZIP_STORED)


@CUT_ZIPS.kind("CD106", "calls builtins.exec('pass')")
def zip_cut_behind_code_in_its_deflated_pickle(path: Path) -> None:
    _cut_in_the_pickle(path, zipfile.ZIP_DEFLATED)


@CUT_ZIPS.kind("CD106", "calls builtins.exec('pass')", "salvageable")
def zip_cut_behind_code_in_another_record(path: Path) -> None:
    extra = ("archive/extra.pkl", _CODE + _NOISE + b"N.")
    data = _again(path, append=[extra]).read_bytes()
    path.write_bytes(data[: data.index(b"extra.pkl") + 2000])


@CUT_ZIPS.kind("CD106", "calls builtins.exec('pass')", "salvageable")
def zip_with_code_cut_in_its_directory(path: Path) -> None:
    raw = pickled()[:2] + _CODE + pickled()[2:]
    data = _again(path, replace={"data.pkl": raw}).read_bytes()
    path.write_bytes(data[: data.index(b"PK\1\2") + 20])


@ZIPS.kind("CD106", "calls builtins.exec('pass')", "suspect")
def another_record_of_objects_of_numpy(path: Path) -> None:
    _again(path, append=[("archive/extra.npy", objects(_CODE[:-1] + b"."))])


# -- records -------------------------------------------------------------------------------------


@ZIPS.kind("CD103", "archive/data/1", "corrupt")
def a_flipped_bit_in_a_tensor(path: Path) -> None:
    at, _ = _span("data/1")
    _patch(path, at, bytes([zip_bytes()[at] ^ 1]))


@ZIPS.kind("CD103", "archive/data.pkl", "suspect")
def a_flipped_bit_in_the_pickle(path: Path) -> None:
    at = zip_bytes().index(b"best_iou")
    _patch(path, at, b"bast_iou")


@ZIPS.kind("CD103", "archive/version", "suspect")
def a_flipped_bit_in_a_small_record(path: Path) -> None:
    at, _ = _span("version")
    _patch(path, at, b"2")


@ZIPS.kind("CD103", "no checksum", "healthy", 0)
def checksums_of_zero(path: Path) -> None:
    data = bytearray(zip_bytes())
    for at in central_entries(bytes(data)).values():
        data[at + 16 : at + 20] = bytes(4)
    for found in re.finditer(rb"PK\x07\x08", bytes(data)):
        data[found.end() : found.end() + 4] = bytes(4)
    path.write_bytes(data)


@ZIPS.kind("CD104", "the record of one storage is missing", "corrupt")
def a_missing_record(path: Path) -> None:
    _again(path, drop=["data/1"])


@ZIPS.kind("CD104", "the records of 3 storages are missing", "corrupt")
def every_tensor_missing(path: Path) -> None:
    _again(path, drop=["data/0", "data/1", "data/2"])


@ZIPS.kind("CD104", "the record holds 95 bytes, its tensors need 96", "corrupt")
def a_short_record(path: Path) -> None:
    _again(path, replace={"data/0": b"\1" * 95})


@ZIPS.kind("CD104", "the record holds 0 bytes", "corrupt")
def an_empty_record(path: Path) -> None:
    _again(path, replace={"data/0": b""})


@ZIPS.kind("CD104", "the record holds 4096 bytes, its storage only 96", "suspect", 0)
def a_record_that_is_too_long(path: Path) -> None:
    _again(path, replace={"data/0": b"\1" * 4096})


@ZIPS.kind("CD104", "the record is there twice", "suspect")
def a_duplicate_tensor(path: Path) -> None:
    _again(path, append=[("archive/data/0", b"\0" * 96)])


@ZIPS.kind("CD104", "the record is there twice", "suspect")
def a_duplicate_pickle(path: Path) -> None:
    _again(path, append=[("archive/data.pkl", b"\x80\x02}q\x00.")])


@ZIPS.kind("CD104", "which torch takes for it", "suspect")
def a_case_variant_of_a_tensor(path: Path) -> None:
    _again(path, append=[("archive/DATA/0", b"\0" * 96)])


@ZIPS.kind("CD104", "which torch takes for it", "suspect")
def a_case_variant_of_the_pickle(path: Path) -> None:
    _again(path, append=[("archive/Data.PKL", b"\x80\x02}q\x00.")])


@ZIPS.kind("CD104", "a second pickle, beside that in 'archive'", "suspect")
def a_second_pickle_in_another_folder(path: Path) -> None:
    _again(path, append=[("other/data.pkl", b"\x80\x02}q\x00.")])


@ZIPS.kind("CD104", "shares its bytes with", "corrupt")
def overlapping_records(path: Path) -> None:
    data = zip_bytes()
    _patch(path, _entry("data/1") + 42, data[_entry("data/0") + 42 :][:4])


@ZIPS.kind("CD104", "about the method", "corrupt")
def a_directory_that_lies_about_the_method(path: Path) -> None:
    _patch(path, _entry("data/0") + 10, struct.pack("<H", 8))


@ZIPS.kind("CD104", "the record holds 48 bytes", "corrupt")
def a_directory_that_lies_about_a_size(path: Path) -> None:
    _patch(path, _entry("data/0") + 20, struct.pack("<II", 48, 48))


@ZIPS.kind("CD104", "takes 5", "corrupt")
def a_directory_whose_sizes_contradict_each_other(path: Path) -> None:
    _patch(path, _entry("data/0") + 20, struct.pack("<I", 5))


@ZIPS.kind("CD104", "runs into the directory", "corrupt")
def a_record_that_runs_into_the_directory(path: Path) -> None:
    _patch(path, _entry("data/0") + 20, struct.pack("<II", 1 << 20, 1 << 20))


@ZIPS.kind("CD104", "no header where it should be", "corrupt")
def a_directory_that_lies_about_an_offset(path: Path) -> None:
    _patch(path, _entry("data/0") + 42, struct.pack("<I", 1))


@ZIPS.kind("CD104", "no header where it should be", "corrupt")
def a_record_behind_the_end_of_the_file(path: Path) -> None:
    _patch(path, _entry("data/0") + 42, struct.pack("<I", 0x7FFF_FFF0))


@ZIPS.kind("CD103", "archive/data/0", "corrupt")
def a_directory_that_lies_about_a_checksum(path: Path) -> None:
    _patch(path, _entry("data/0") + 16, b"\1\2\3\4")


@ZIPS.kind("CD104", "about the name", "corrupt")
def a_directory_that_lies_about_a_name(path: Path) -> None:
    at = _entry("data/2") + 46
    _patch(path, at, b"archive/data/9")


@ZIPS.kind("CD104", "announces 77 records", "suspect")
def a_directory_that_announces_more_than_it_holds(path: Path) -> None:
    data = bytearray(zip_bytes())
    at = data.rindex(b"PK\5\6")
    struct.pack_into("<HH", data, at + 8, 77, 77)
    if (at64 := data.rfind(b"PK\x06\x06")) >= 0:
        struct.pack_into("<QQ", data, at64 + 24, 77, 77)
    path.write_bytes(data)


@ZIPS.kind("CD104", "disagree about the encryption", "corrupt")
def the_flag_of_an_encrypted_record(path: Path) -> None:
    _patch(path, _entry("data/0") + 8, struct.pack("<H", 1))


@ZIPS.kind("CD104", "disagree about the encryption")
def the_flag_of_an_encrypted_pickle(path: Path) -> None:
    _patch(path, _entry("data.pkl") + 8, struct.pack("<H", 1))


@ZIPS.kind("CD104", "compressed by method 12")
def records_packed_with_bzip2(path: Path) -> None:
    _again(path, method=zipfile.ZIP_BZIP2)


@ZIPS.kind("CD104", "compressed by method 14")
def records_packed_with_lzma(path: Path) -> None:
    _again(path, method=zipfile.ZIP_LZMA)


@ZIPS.kind("CD104", "compressed by method 93", "corrupt")
def records_packed_with_zstandard(path: Path) -> None:
    _patch(path, _entry("data/0") + 10, struct.pack("<H", 93))


@ZIPS.kind("", "", "healthy", 0)
def deflated_records(path: Path) -> None:
    _again(path, method=zipfile.ZIP_DEFLATED)


@ZIPS.kind("", "", "healthy", 0)
def packed_again_without_its_folder(path: Path) -> None:
    _again(path, rename=lambda name: name.partition("/")[2])


@ZIPS.kind("", "", "healthy", 0)
def packed_again_without_its_version(path: Path) -> None:
    _again(path, drop=["version", ".format_version", ".storage_alignment", "byteorder"])


@ZIPS.kind("", "", "healthy", 0)
def packed_again_by_macos(path: Path) -> None:
    _again(path, append=[("__MACOSX/archive/._data.pkl", b"\0\5\x16\7"), (".DS_Store", b"\0")])


@ZIPS.kind("CD104", "cannot be inflated")
def a_deflated_record_that_does_not_inflate(path: Path) -> None:
    _again(path, method=zipfile.ZIP_DEFLATED)
    at, nbytes = data_span(path, "archive/data.pkl")
    patched(path, at, b"\xff" * nbytes)


@ZIPS.kind("CD104", "is damaged and cannot be inflated", "corrupt")
def a_deflated_tensor_that_does_not_inflate(path: Path) -> None:
    _again(path, method=zipfile.ZIP_DEFLATED)
    at, nbytes = data_span(path, "archive/data/0")
    patched(path, at, b"\xff" * nbytes)


@ZIPS.kind("CD104", "the byte order was changed to 'big'", "suspect")
def a_byte_order_changed_afterwards(path: Path) -> None:
    _again(path, replace={"byteorder": b"big"})


@ZIPS.kind("CD104", "the byte order 'middle', which torch does not know", "suspect")
def a_byte_order_that_is_none(path: Path) -> None:
    _again(path, replace={"byteorder": b"middle"})


@ZIPS.kind("CD101", "a zip archive with 24 bytes before it")
def a_program_before_the_archive(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\nrm -rf ~\nexit\n" + zip_bytes())


@ZIPS.kind("CD104", "36 bytes follow the archive", "suspect", 0)
def bytes_behind_the_archive(path: Path) -> None:
    path.write_bytes(zip_bytes() + b"junk" * 9)


@ZIPS.kind("CD104", "does not end where its locator starts", "suspect")
def an_archive_behind_the_archive(path: Path) -> None:
    path.write_bytes(zip_bytes() + zip_bytes())


@ZIPS.kind("CD104", "the archive ends twice")
def an_end_record_inside_a_comment(path: Path) -> None:
    data = bytearray(zip_bytes())
    end = data.rindex(b"PK\5\6")
    comment = b"PK\5\6" + bytes(18)
    struct.pack_into("<H", data, end + 20, len(comment))
    path.write_bytes(bytes(data[: end + 22]) + comment)


@ZIPS.kind("CD104", "disagree about the name", "corrupt")
def a_name_that_is_no_utf8(path: Path) -> None:
    at = _entry("data/0") + 46
    _patch(path, at, b"archive/\xff\xfe\xfd")


@ZIPS.kind("CD104", "speaks of several disks", "suspect")
def a_zip_of_several_disks(path: Path) -> None:
    data = bytearray(zip_bytes())
    struct.pack_into("<HH", data, data.rindex(b"PK\5\6") + 4, 1, 1)
    path.write_bytes(data)


@ZIPS.kind("", "", "healthy", 0)
def a_descriptor_that_is_missing(path: Path) -> None:
    data = zip_bytes()  # the directory says the same, and no reader looks at both
    path.write_bytes(data.replace(b"PK\x07\x08", b"XX\x07\x08", 1))


@ZIPS.kind("CD104", "the record of one storage is missing", "corrupt")
def a_key_that_climbs_out_of_the_archive(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(b"X\1\0\0\x000", b"X\x0b\0\0\0/etc/passwd", 1))


# -- names that lead elsewhere -------------------------------------------------------------------

_ODD_NAMES = {
    "an absolute path": ("/etc/cron.d/job", "an absolute path"),
    "a path of Windows": ("C:\\Windows\\x.dll", "an absolute path"),
    "a path that climbs": ("archive/../../.bashrc", "a path out of the folder"),
    "a path that climbs by backslashes": ("archive\\..\\..\\x", "a path out of the folder"),
    "a zero byte": ("archive/data.pkl\0.txt", "a name with a zero byte"),
}


def _renamed(path: Path, name: str) -> None:
    """One more record, of that name; ``zipfile`` would write another one."""
    place = b"archive/" + b"_" * (len(name) - 8) if len(name) > 8 else b"_" * len(name)
    _again(path, append=[(place.decode(), b"x")])
    path.write_bytes(path.read_bytes().replace(place, name.encode()))


def _odd_names() -> None:
    for what, (name, says) in _ODD_NAMES.items():

        def build(path: Path, name: str = name) -> None:
            _renamed(path, name)

        build.__name__ = f"a record named by {what}"
        ZIPS.kind("CD104", says, "suspect")(build)


_odd_names()


@ZIPS.kind("CD104", "a name with a backslash", "suspect", 0)
def a_record_named_with_a_backslash(path: Path) -> None:
    _renamed(path, "archive\\notes.txt")


@ZIPS.kind("CD104", "an absolute path", "salvageable")
def a_record_named_by_an_absolute_path_in_a_cut_archive(path: Path) -> None:
    _renamed(path, "/etc/cron.d/job")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"PK\1\2")])


@ZIPS.kind("CD104", "../../x.pth: a path out of the folder")
def a_zip_of_something_that_climbs(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../x.pth", zip_bytes())


# -- the pickle in it ----------------------------------------------------------------------------

_NUMEL = b"K\x18"  # 24 elements
_OFFSET_AND_SHAPE = b"QK\0K\4K\6\x86"
_STRIDES = re.compile(rb"(q.)K\x06K\x01\x86", re.DOTALL)


def _with_shape(path: Path, new: bytes) -> None:
    """The first tensor with another offset and shape, as opcodes."""
    _with_pickle(path, lambda raw: raw.replace(_OFFSET_AND_SHAPE, new, 1))


def _with_strides(path: Path, new: bytes) -> None:
    """The first tensor with other strides, as opcodes."""
    _with_pickle(path, lambda raw: _STRIDES.sub(lambda found: found[1] + new, raw, count=1))


@ZIPS.kind("CD104", "its tensors need 131068", "corrupt")
def a_storage_of_more_elements_than_its_record(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(_NUMEL, b"M\xff\x7f", 1))


@ZIPS.kind("CD104", "its storage only 16", "suspect", 0)
def a_storage_of_fewer_elements_than_its_record(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(_NUMEL, b"K\x04", 1))


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_storage_of_negative_size(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(_NUMEL, b"J\xff\xff\xff\xff", 1))


@ZIPS.kind("CD104", "its tensors need 36893488147419103232", "corrupt")
def a_storage_of_2_to_the_63(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(_NUMEL, b"\x8a\x09" + b"\0" * 7 + b"\x80\0", 1))


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_storage_without_a_size(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(_NUMEL, b"N", 1))


@ZIPS.kind("CD104", "needs 604 bytes of a storage that holds 96", "corrupt")
def a_tensor_that_starts_behind_its_storage(path: Path) -> None:
    _with_shape(path, b"QK\x7fK\4K\6\x86")


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_tensor_that_starts_before_its_storage(path: Path) -> None:
    _with_shape(path, b"QJ\xff\xff\xff\xffK\4K\6\x86")


@ZIPS.kind("CD104", "needs 120 bytes of a storage that holds 96", "corrupt")
def a_tensor_larger_than_its_storage(path: Path) -> None:
    _with_shape(path, b"QK\0K\5K\6\x86")


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_tensor_of_negative_shape(path: Path) -> None:
    _with_shape(path, b"QK\0J\xff\xff\xff\xffK\6\x86")


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_shape_of_2_to_the_62_with_stride_0(path: Path) -> None:
    _with_pickle(
        path,
        lambda raw: _STRIDES.sub(
            lambda found: found[1] + b"K\0K\1\x86",
            raw.replace(_OFFSET_AND_SHAPE, b"QK\0\x8a\x08" + bytes(7) + b"\x40K\6\x86", 1),
            count=1,
        ),
    )


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_stride_that_is_negative(path: Path) -> None:
    _with_strides(path, b"J\xfa\xff\xff\xffK\1\x86")


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_shape_of_other_length_than_its_strides(path: Path) -> None:
    _with_strides(path, b"K\1\x85")


@ZIPS.kind("CD104", "not a tensor that torch could have written", "corrupt")
def a_storage_of_an_unknown_class(path: Path) -> None:
    _with_pickle(path, lambda raw: raw.replace(b"FloatStorage", b"FloaxStorage", 1))


@ZIPS.kind("CD104", "data.pkl: ")
def a_pickle_with_an_unknown_opcode(path: Path) -> None:
    _again(path, replace={"data.pkl": b"\x80\x02\xff."})


@ZIPS.kind("CD104", "data.pkl: ")
def a_pickle_that_is_empty(path: Path) -> None:
    _again(path, replace={"data.pkl": b""})


@ZIPS.kind("CD104", "data.pkl: ")
def a_pickle_that_ends_too_early(path: Path) -> None:
    _again(path, replace={"data.pkl": pickled()[:-20]})


@ZIPS.kind("CD104", "bytes follow the end of the pickle", "suspect")
def a_pickle_behind_the_pickle(path: Path) -> None:
    _again(path, replace={"data.pkl": pickled() + b"cos\nsystem\n(S'true'\ntR."})


@ZIPS.kind("CD106", "os.system('true')", "suspect")
def a_pickle_that_runs_code(path: Path) -> None:
    _again(
        path, replace={"data.pkl": pickled()[:2] + b"cos\nsystem\n(S'true'\ntR0" + pickled()[2:]}
    )


@ZIPS.kind("CD101", "it holds no model weights", "suspect", 0)
def a_zip_checkpoint_without_tensors(path: Path) -> None:
    _again(path, replace={"data.pkl": b"\x80\x02}X\5\0\0\0epochK\3s."})


@ZIPS.kind("CD101", "nothing was saved in it", "suspect", 0)
def a_zip_checkpoint_of_an_empty_dict(path: Path) -> None:
    _again(path, replace={"data.pkl": b"\x80\x02}."})


@ZIPS.kind("CD101", "a pickle of a single value")
def a_zip_checkpoint_of_a_number(path: Path) -> None:
    _again(path, replace={"data.pkl": b"\x80\x02K\x03."})
