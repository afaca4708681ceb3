"""Legacy, tar and safetensors files that are cut, damaged, or lie."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ckptdoctor.formats import open_checkpoint
from tests.bad_inputs.good import header_of, legacy_bytes, safetensors_bytes, tar_bytes, zip_bytes
from tests.bad_inputs.kind import Family
from tests.builders import safetensors_file

__all__ = ["LEGACY", "MISNAMED", "SAFETENSORS", "TAR"]

LEGACY = Family("a legacy file")
SAFETENSORS = Family("a safetensors file")
TAR = Family("an old tar")
MISNAMED = Family("another name")


def _storages(path: Path) -> list[tuple[int, int]]:
    """Offset and size of each storage of the sound legacy file."""
    path.write_bytes(legacy_bytes())
    return [(ref.offset, ref.nbytes) for ref in open_checkpoint(path).records]


# -- legacy --------------------------------------------------------------------------------------


@LEGACY.kind("CD102", "ends inside its pickle")
def legacy_cut_in_its_magic_number(path: Path) -> None:
    path.write_bytes(legacy_bytes()[:9])


@LEGACY.kind("CD102", "ends inside its pickle")
def legacy_cut_in_the_pickle(path: Path) -> None:
    path.write_bytes(legacy_bytes()[:300])


@LEGACY.kind("CD102", "0 of 3 storages are whole", "corrupt")
def legacy_cut_before_the_storages(path: Path) -> None:
    at, _ = _storages(path)[0]
    path.write_bytes(legacy_bytes()[: at - 8])


@LEGACY.kind("CD102", "0 of 3 storages are whole", "corrupt")
def legacy_cut_in_a_size(path: Path) -> None:
    at, _ = _storages(path)[0]
    path.write_bytes(legacy_bytes()[: at - 3])


@LEGACY.kind("CD102", "1 of 3 storages are whole", "corrupt")
def legacy_cut_in_the_second_storage(path: Path) -> None:
    at, nbytes = _storages(path)[1]
    path.write_bytes(legacy_bytes()[: at + nbytes // 2])


@LEGACY.kind("CD102", "2 of 3 storages are whole", "corrupt")
def legacy_cut_by_one_byte(path: Path) -> None:
    path.write_bytes(legacy_bytes()[:-1])


@LEGACY.kind("CD104", "elements, and the pickle speaks of", "corrupt")
def legacy_whose_second_half_is_zeros(path: Path) -> None:
    at, nbytes = _storages(path)[0]
    path.write_bytes(legacy_bytes()[: at + nbytes // 2].ljust(len(legacy_bytes()), b"\0"))


@LEGACY.kind("CD104", "a size of -1 elements", "corrupt")
def legacy_storage_of_negative_size(path: Path) -> None:
    at, _ = _storages(path)[0]
    data = bytearray(legacy_bytes())
    struct.pack_into("<q", data, at - 8, -1)
    path.write_bytes(data)


@LEGACY.kind("CD104", "elements, and the pickle speaks of", "corrupt")
def legacy_storage_of_2_to_the_62(path: Path) -> None:
    at, _ = _storages(path)[0]
    data = bytearray(legacy_bytes())
    struct.pack_into("<q", data, at - 8, 1 << 62)
    path.write_bytes(data)


@LEGACY.kind("CD104", "a size of 3 elements, and the pickle speaks of", "corrupt")
def legacy_storage_of_fewer_elements(path: Path) -> None:
    at, _ = _storages(path)[0]
    data = bytearray(legacy_bytes())
    struct.pack_into("<q", data, at - 8, 3)
    path.write_bytes(data)


@LEGACY.kind("CD104", "bytes follow the last storage", "suspect", 0)
def legacy_with_bytes_behind_it(path: Path) -> None:
    path.write_bytes(legacy_bytes() + b"junk")


@LEGACY.kind("CD104", "no list of keys")
def legacy_without_a_list_of_keys(path: Path) -> None:
    parts: tuple[Any, ...] = (0x1950A86A20F9469CFC6C, 1001, {}, {"epoch": 1}, 7)
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))


@LEGACY.kind("CD104", "protocol version 1002 of the format", "suspect")
def legacy_of_another_version(path: Path) -> None:
    path.write_bytes(legacy_bytes().replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2), 1))


@LEGACY.kind("", "", "healthy", 0)
def legacy_of_a_big_endian_machine(path: Path) -> None:
    data = legacy_bytes()  # torch swaps the bytes of storages before it writes them
    at = data.index(b"little_endian")
    end = data.index(b"\x88", at)
    path.write_bytes(data[:end] + b"\x89" + data[end + 1 :])


@LEGACY.kind("CD104", "the list of keys names it twice", "corrupt")
def legacy_that_names_a_key_twice(path: Path) -> None:
    data = legacy_bytes()
    keys = [record.key for record in _records(path)]
    before, after = pickle.dumps(sorted(keys), 2), pickle.dumps([keys[0]] * 3, 2)
    head, found, tail = data.rpartition(before)
    if not found:  # the keys in the order in which torch wrote them
        at = data.rindex(b"\x80\x02]", 0, _storages(path)[0][0])
        head, tail = data[:at], data[_storages(path)[0][0] - 8 :]
    path.write_bytes(head + after + tail)


def _records(path: Path) -> Any:
    path.write_bytes(legacy_bytes())
    return open_checkpoint(path).records


@LEGACY.kind("CD106", "os.system('true')", "suspect")
def legacy_that_runs_code(path: Path) -> None:
    parts: tuple[Any, ...] = (0x1950A86A20F9469CFC6C, 1001, {})
    head = b"".join(pickle.dumps(part, 2) for part in parts)
    path.write_bytes(head + b"\x80\x02cos\nsystem\nX\4\0\0\0true\x85R." + pickle.dumps([], 2))


# -- tar -----------------------------------------------------------------------------------------


@TAR.kind("CD102", "")
def tar_cut_in_its_storages(path: Path) -> None:
    path.write_bytes(tar_bytes()[:700])


@TAR.kind("CD102", "")
def tar_cut_before_its_pickle(path: Path) -> None:
    data = tar_bytes()
    path.write_bytes(data[: data.index(b"pickle\0") - 10])


@TAR.kind("CD102", "without its pickle, tensors")
def tar_with_a_broken_header(path: Path) -> None:
    data = bytearray(tar_bytes())
    data[data.index(b"tensors\0") + 148] ^= 1
    path.write_bytes(data)


@TAR.kind("CD101", "")
def tar_with_a_broken_first_header(path: Path) -> None:
    data = bytearray(tar_bytes())
    data[148] ^= 1
    path.write_bytes(data)


@TAR.kind("CD104", "")
def tar_with_a_storage_larger_than_the_file(path: Path) -> None:
    path.write_bytes(tar_bytes().replace(struct.pack("<q", 6), struct.pack("<q", 1 << 40), 1))


@TAR.kind("CD104", "")
def tar_with_a_tensor_of_negative_shape(path: Path) -> None:
    before, after = struct.pack("<qq", 2, 3), struct.pack("<qq", -2, 3)
    path.write_bytes(tar_bytes().replace(before, after, 1))


@TAR.kind("CD104", "needs", "corrupt")
def tar_with_a_tensor_larger_than_its_storage(path: Path) -> None:
    before, after = struct.pack("<qq", 2, 3), struct.pack("<qq", 99, 3)
    path.write_bytes(tar_bytes().replace(before, after, 1))


# -- safetensors ---------------------------------------------------------------------------------


def _header(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def build(path: Path) -> None:
        header, payload = header_of(safetensors_bytes())
        entries = json.loads(header)
        changed = change(entries)
        entries = entries if changed is None else changed
        safetensors_file(path, json.dumps(entries).encode(), payload)

    return build


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(entries: dict[str, Any]) -> None:
        entries["a.weight"][key] = value

    return change


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    def change(entries: dict[str, Any]) -> None:
        del entries["a.weight"][key]

    return change


def _rename(entries: dict[str, Any]) -> dict[str, Any]:
    return {("n\0\x1b[2J" if k == "a.weight" else k): v for k, v in entries.items()}


_ENTRIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an unknown dtype": (_set("dtype", "F7"), "dtype 'F7' is unknown"),
    "a dtype that is a number": (_set("dtype", 7), ""),
    "a negative shape": (_set("shape", [-4, 6]), "describes no tensor"),
    "a shape of fractions": (_set("shape", [4.5, 6]), "describes no tensor"),
    "a shape that is a text": (_set("shape", "4x6"), "describes no tensor"),
    "a shape of 2^63": (_set("shape", [1 << 63]), "describes no tensor"),
    "a shape of 2^62 times 2^62": (_set("shape", [1 << 62, 1 << 62]), "its shape takes"),
    "another shape than its place": (_set("shape", [4, 7]), "its shape takes 112 bytes"),
    "a thousand dimensions": (_set("shape", [1] * 1000), "describes no tensor"),
    "offsets in reverse": (_set("data_offsets", [96, 0]), "describes no tensor"),
    "offsets of one": (_set("data_offsets", [0]), "describes no tensor"),
    "negative offsets": (_set("data_offsets", [-96, 0]), "describes no tensor"),
    "no dtype": (_drop("dtype"), "describes no tensor"),
    "no shape": (_drop("shape"), "describes no tensor"),
    "no offsets": (_drop("data_offsets"), "describes no tensor"),
    "an entry that is a list": (lambda e: {**e, "a.weight": [1, 2]}, "describes no tensor"),
    "an overlap": (_set("data_offsets", [8, 104]), "overlaps the tensor before it"),
    "a hole": (lambda e: {k: v for k, v in e.items() if k != "a.weight"}, "leaves a hole"),
    "an offset behind the file": (_set("data_offsets", [1 << 50, (1 << 50) + 96]), "is cut"),
    "a zero with a sign": (_set("data_offsets", [-0.0, 96]), "describes no tensor"),
    "metadata of numbers": (
        lambda e: {**e, "__metadata__": {"epoch": 3, "iou": 0.6, "by": "x"}},
        "holds values that are no texts: 'epoch', 'iou'",
    ),
    "metadata that is a list": (
        lambda e: {**e, "__metadata__": ["x"]},
        "is no object of texts",
    ),
    "half of a character": (
        lambda e: {f"{k}\ud800": v for k, v in e.items()},
        "half of a surrogate pair",
    ),
    "a number of no JSON": (lambda e: {**e, "x": {"y": float("inf")}}, "Infinity is no number"),
    "a list": (lambda e: [e], "neither a zip archive nor a pickle"),
}
_VERDICTS = {
    "a list": "unreadable",
    "half of a character": "unreadable",
    "a number of no JSON": "unreadable",
    "metadata of numbers": "suspect",
    "metadata that is a list": "suspect",
}


def _safetensors() -> None:
    header, payload = header_of(safetensors_bytes())
    data = safetensors_bytes()
    for name, (change, says) in _ENTRIES.items():
        build = _header(change)
        build.__name__ = f"safetensors: {name}"
        code = {"is cut": "CD102", "neither a zip archive nor a pickle": "CD101"}.get(says, "CD104")
        verdict = _VERDICTS.get(name, "corrupt")
        SAFETENSORS.kind(code, says, verdict)(build)
    twice = header.rstrip()[:-1] + b"," + header.strip()[1:]
    for name, raw, code, says, verdict in (
        ("cut in a tensor", data[:-1], "CD102", "2 of 3 tensors", "corrupt"),
        ("cut behind its header", data[: -len(payload)], "CD102", "0 of 3 tensors", "corrupt"),
        ("bytes behind it", data + b"junk", "CD104", "4 bytes follow the last tensor", "suspect"),
    ):
        SAFETENSORS.bytes(f"safetensors: {name}", raw, code, says, verdict)
    for name, raw, code, says in (
        ("cut in its header", data[:40], "CD102", "ends inside its header"),
        ("a header of 2^39 bytes", struct.pack("<Q", 1 << 39) + data[8:], "CD107", "a header of"),
        ("a header longer than the file", struct.pack("<Q", 9000) + data[8:], "CD102", "of 9000"),
        ("a header that is too short", struct.pack("<Q", 20) + data[8:], "CD104", "is no JSON"),
        ("a key that is there twice", _file(twice, payload), "CD104", "stands in it twice"),
        ("a header that is no JSON", _file(b"{]" + b" " * 30, b""), "CD104", "is no JSON"),
        ("a header that is no UTF-8", _file(b'{"\xff\xfe":1}', b""), "CD104", "is no JSON"),
        ("a header nested deeply", _file(b'{"a":' * 90_000, b""), "CD104", "is no JSON"),
        ("an infinite number", _file(b'{"a":{"dtype":Infinity}}', b""), "CD104", "is no number"),
        ("a header of zeros", _file(b"{" + bytes(60), b""), "CD104", "is no JSON"),
    ):
        SAFETENSORS.bytes(f"safetensors: {name}", raw, code, says)


def _file(header: bytes, payload: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + payload


_safetensors()


@SAFETENSORS.kind("CD101", "nothing was saved in it", "suspect", 0)
def safetensors_with_an_empty_header(path: Path) -> None:
    path.write_bytes(_file(b"{}", b""))


@SAFETENSORS.kind("CD101", "it holds no model weights", "suspect", 0)
def safetensors_of_metadata_alone(path: Path) -> None:
    path.write_bytes(_file(b'{"__metadata__":{"a":"b"}}', b""))


@SAFETENSORS.kind("", "", "healthy", 0)
def safetensors_with_a_hostile_name(path: Path) -> None:
    _header(_rename)(path)


# -- another name --------------------------------------------------------------------------------


@MISNAMED.kind("", "", "healthy", 0)
def safetensors_named_pth(path: Path) -> None:
    path.write_bytes(safetensors_bytes())


@MISNAMED.kind("", "", "healthy", 0)
def zip_named_safetensors(path: Path) -> Path:
    other = path.with_suffix(".safetensors")
    other.write_bytes(zip_bytes())
    return other


@MISNAMED.kind("", "", "healthy", 0)
def legacy_named_tar(path: Path) -> Path:
    other = path.with_suffix(".pth.tar")
    other.write_bytes(legacy_bytes())
    return other


@MISNAMED.kind("", "", "healthy", 0)
def zip_named_png(path: Path) -> Path:
    other = path.with_suffix(".png")
    other.write_bytes(zip_bytes())
    return other


@MISNAMED.kind("", "", "healthy", 0)
def zip_without_a_suffix(path: Path) -> Path:
    other = path.with_suffix("")
    other.write_bytes(zip_bytes())
    return other
