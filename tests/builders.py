"""Checkpoints for tests, built where a test wants them."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

QUANTIZED = ("qint8", "quint8", "qint32")
UNCASTABLE = ("bits8", "bits1x8", "bits2x4", "bits4x2", "bits16", "float4_e2m1fn_x2")
DTYPES = (
    *("float64", "float32", "float16", "bfloat16"),
    *("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("complex32", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"),
    *UNCASTABLE,
    *QUANTIZED,
)
"""Every element type that torch can make and save."""


def save(path: Path, obj: object, **options: Any) -> Path:
    """``torch.save``, with torch's notices about rare types left aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(obj, path, **options)
    return path


def load(path: Path, **options: Any) -> Any:
    """``torch.load`` of the safe kind unless told otherwise, its notices left aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True, **options)


def load_unsafe(path: Path) -> Any:
    """``torch.load`` of a file that the test has just made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=False)


def tensor_of(dtype: str, *shape: int) -> torch.Tensor:
    """A tensor of any element type, its elements unlike each other."""
    kind = getattr(torch, dtype)
    numel = torch.Size(shape).numel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dtype in QUANTIZED:
            plain = torch.arange(numel, dtype=torch.float32).reshape(shape)
            return torch.quantize_per_tensor(plain, 0.5, 3, kind)
        if dtype == "bool":
            return (torch.arange(numel).reshape(shape) % 3 == 0).clone()
        raw = (torch.arange(numel * kind.itemsize) * 37 % 251).to(torch.uint8)
        return raw.view(kind).reshape(shape) if numel else torch.empty(shape, dtype=kind)


def small_model() -> torch.nn.Module:
    """A convolution, a norm with its buffers, and two linear layers that share their weight."""
    torch.manual_seed(0)
    first, tied = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    tied.weight = first.weight
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), first, torch.nn.ReLU(), tied
    )


def trained(
    make: Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer],
) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A small model and its optimizer after one step."""
    model = small_model()
    optimizer = make(model.parameters())
    loss = torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return model, optimizer


def training_checkpoint() -> dict[str, Any]:
    """What a training script saves: weights, AdamW, a scheduler, a scaler, an epoch, a score."""
    model, optimizer = trained(lambda parameters: torch.optim.AdamW(parameters, lr=0.001))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    return {
        "epoch": 88,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 7},
        "best_iou": 0.6413,
        "done": False,
        "note": None,
    }


# -- zip -----------------------------------------------------------------------------------------


def rezip(
    source: Path,
    target: Path,
    *,
    method: int = zipfile.ZIP_STORED,
    rename: Callable[[str], str] = str,
    replace: Mapping[str, bytes] | None = None,
    drop: Iterable[str] = (),
    append: Iterable[tuple[str, bytes]] = (),
) -> Path:
    """The archive written anew by Python's ``zipfile``; names are those inside its folder."""
    dropped = set(drop)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for info in old.infolist():
            inner = info.filename.partition("/")[2]
            if inner not in dropped:
                data = (replace or {}).get(inner, old.read(info))
                new.writestr(rename(info.filename), data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # duplicate names
            for name, data in append:
                new.writestr(name, data)
    return target


def central_entries(data: bytes) -> dict[str, int]:
    """Name of each record -> position of its entry in the central directory."""
    found: dict[str, int] = {}
    end = data.rindex(b"PK\x05\x06")
    at = struct.unpack_from("<I", data, end + 16)[0]
    if at == 0xFFFF_FFFF:
        at = struct.unpack_from("<Q", data, data.rindex(b"PK\x06\x06") + 48)[0]
    while data[at : at + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        found[data[at + 46 : at + 46 + name].decode()] = at
        at += 46 + name + extra + comment
    return found


def data_span(path: Path, name: str) -> tuple[int, int]:
    """Offset and size of a record's bytes in the file."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
    data = path.read_bytes()
    name_nbytes, extra_nbytes = struct.unpack_from("<HH", data, info.header_offset + 26)
    return info.header_offset + 30 + name_nbytes + extra_nbytes, info.compress_size


def patched(path: Path, at: int, new: bytes) -> Path:
    """The file with some bytes replaced in place."""
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(data)
    return path


# -- tar -----------------------------------------------------------------------------------------


class _TarPickler(pickle.Pickler):
    """Gives tensors and storages the persistent ids that torch 0.1.9 gave them."""

    def persistent_id(self, obj: object) -> object:
        return obj.pid if isinstance(obj, TarPid) else None


class TarPid:
    """Something of a tar checkpoint that stands outside its pickle."""

    def __init__(self, pid: object) -> None:
        self.pid = pid


def torch_tar(
    path: Path,
    *,
    storages: Iterable[tuple[int, type, torch.Tensor]],
    views: object = (),
    tensors: Iterable[tuple[int, int, type, tuple[int, ...], tuple[int, ...], int]],
    obj: object,
    leave_out: str = "",
    order: Iterable[str] = ("storages", "tensors", "pickle"),
) -> Path:
    """A checkpoint as torch wrote it before 0.1.10: a tar of storages, tensors and a pickle.

    torch itself wrote ``sys_info``, ``pickle``, ``tensors`` and ``storages``, in this order.
    """
    parts = {"sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2)}
    storages, tensors = list(storages), list(tensors)
    out = io.BytesIO()
    pickle.dump(len(storages), out, 2)
    for key, kind, values in storages:
        pickle.dump((key, "cpu", kind), out, 2)
        out.write(struct.pack("<q", values.numel()))
        out.write(values.numpy().tobytes())
    pickle.dump(views or [], out, 2)
    parts["storages"] = out.getvalue()
    out = io.BytesIO()
    pickle.dump(len(tensors), out, 2)
    for key, storage, kind, shape, stride, offset in tensors:
        pickle.dump((key, storage, kind), out, 2)
        out.write(struct.pack("<ii", len(shape), 0))
        out.write(struct.pack(f"<{2 * len(shape) + 1}q", *shape, *stride, offset))
    parts["tensors"] = out.getvalue()
    out = io.BytesIO()
    _TarPickler(out, 2).dump(obj)
    parts["pickle"] = out.getvalue()
    with tarfile.open(path, "w") as archive:
        for name in order:
            if name != leave_out:
                info = tarfile.TarInfo(name)
                info.size = len(parts[name])
                archive.addfile(info, io.BytesIO(parts[name]))
    return path


# -- safetensors ---------------------------------------------------------------------------------


def safetensors_file(path: Path, header: bytes, payload: bytes = b"") -> Path:
    """A safetensors file with exactly this header."""
    path.write_bytes(struct.pack("<Q", len(header)) + header + payload)
    return path
