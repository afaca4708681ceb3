"""Functions that make or change a file or a folder, each called by its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass.named import Row, bypasses_of
from tests.bad_inputs.bypass.one import Bypass, Loader
from tests.bad_inputs.bypass.payloads import Arguments, written
from tests.bad_inputs.opcodes import Opcodes, call, named

__all__ = ["WRITERS"]


def _path(canary: Path) -> Opcodes:
    return call(named("pathlib", "PosixPath"), str(canary))


def _method(module: str, name: str, *made_with: Any, then: tuple[Any, ...] = ()) -> Arguments:
    """An object, the path, and more: what an unbound method is called with."""
    return lambda canary: (call(named(module, name), *made_with), str(canary), *then)


def _of_path(*more: Any) -> Arguments:
    return lambda canary: (_path(canary), *more)


def _source(canary: Path) -> str:
    path = canary.with_name("source")
    path.write_text("x")
    return str(path)


_LINES = call(named("builtins", "iter"), ["x"])
_ARRAY = call(named("numpy", "array"), [1])

_OF_PYTHON: tuple[Row, ...] = (
    ("makes a folder", "os", "makedirs", written()),
    ("makes a folder", "posix", "mkdir", written()),
    ("makes a pipe", "os", "mkfifo", written()),
    ("makes a link", "posix", "link", lambda c: (_source(c), str(c))),
    ("renames", "os", "replace", lambda c: (_source(c), str(c))),
    ("opens by a descriptor", "posix", "open", written(0o101)),
    ("a class that writes", "gzip", "GzipFile", written("w")),
    ("a class that writes", "bz2", "BZ2File", written("w")),
    ("a class that writes", "lzma", "LZMAFile", written("w")),
    ("a class that writes", "tarfile", "TarFile", written("w")),
    ("a class that writes", "logging.handlers", "RotatingFileHandler", written()),
    ("a class that writes", "logging.handlers", "WatchedFileHandler", written()),
    ("a class that writes", "logging.handlers", "TimedRotatingFileHandler", written()),
    ("a class that writes", "mailbox", "Maildir", written()),
    ("a class that writes", "mailbox", "MH", written()),
    ("writes", "tempfile", "mkdtemp", lambda c: ("", "canary", str(c.parent))),
    ("writes", "tempfile", "mkstemp", lambda c: ("", "canary", str(c.parent))),
    ("writes", "dbm.dumb", "open", written("n")),
    ("writes", "shelve", "open", written("n")),
    ("writes", "wave", "open", written("wb")),
    ("writes", "pstats", "Stats.dump_stats",
     lambda c: (call(named("pstats", "Stats")), str(c))),
    ("writes", "cProfile", "Profile.dump_stats", _method("cProfile", "Profile")),
    ("writes", "tracemalloc", "Snapshot.dump", _method("tracemalloc", "Snapshot", (), 1)),
    ("writes", "xml.etree.ElementTree", "ElementTree.write",
     lambda c: (call(named("xml.etree.ElementTree", "ElementTree"),
                     call(named("xml.etree.ElementTree", "Element"), "a")), str(c))),
    ("writes", "urllib.request", "urlretrieve",
     lambda c: (f"file://{_source(c)}", str(c))),
    ("writes", "py_compile", "compile",
     lambda c: (_source(c), str(c))),
    ("writes", "pathlib", "PosixPath.mkdir", _of_path()),
    ("writes", "pathlib", "PosixPath.write_bytes", _of_path(b"x")),
    ("writes", "pathlib", "PosixPath.open", _of_path("w")),
    ("writes", "pathlib", "PosixPath.hardlink_to", lambda c: (_path(c), _source(c))),
)  # fmt: skip

_OF_LIBRARIES: tuple[Row, ...] = (
    ("writes", "numpy", "save", written([1])),
    ("writes", "numpy", "savez", written([1])),
    ("writes", "numpy", "memmap", written("uint8", "w+", 0, (1,))),
    ("writes", "numpy", "ndarray.tofile", lambda c: (_ARRAY, str(c))),
    ("writes", "numpy", "ndarray.dump", lambda c: (_ARRAY, str(c))),
    ("writes", "numpy", "recarray.tofile",
     lambda c: (call(named("numpy", "recarray"), (1,), None, None, 0, None, "i4"), str(c))),
    ("writes", "numpy.lib.format", "open_memmap", written("w+", "uint8", (1,))),
    ("writes", "torch.serialization", "_open_file", written("wb")),
    ("writes", "torch.serialization", "_open_zipfile_writer_file", written()),
    ("writes", "torch.package", "PackageExporter", written()),
    ("writes", "torch.jit", "save",
     lambda c: (call(named("torch.jit", "script"), call(named("torch.nn", "Identity"))), str(c))),
    ("writes", "torch.utils.tensorboard.writer", "SummaryWriter", written()),
    ("writes", "torch.utils.file_baton", "FileBaton.try_acquire",
     lambda c: (call(named("torch.utils.file_baton", "FileBaton"), str(c)),)),
    ("writes", "torch._inductor.codecache", "write_atomic", written("x")),
    ("writes", "torch.distributed.checkpoint.filesystem", "FileSystem.mkdir",
     lambda c: (call(named("torch.distributed.checkpoint.filesystem", "FileSystem")), _path(c))),
    ("writes", "torch.profiler", "ExecutionTraceObserver.register_callback",
     lambda c: (call(named("torch.profiler", "ExecutionTraceObserver")), str(c))),
    ("writes", "safetensors.numpy", "save_file",
     lambda c: ({"a": call(named("numpy", "array"), [1])}, str(c))),
    ("writes", "safetensors", "serialize_file", lambda c: ({}, str(c))),
    ("writes", "safetensors.torch", "save_file", lambda c: ({}, str(c))),
    ("writes", "networkx", "write_edgelist",
     lambda c: (call(named("networkx", "Graph")), str(c))),
    ("writes", "networkx", "write_gml", lambda c: (call(named("networkx", "Graph")), str(c))),
    ("writes", "click", "open_file", written("w")),
    ("writes", "click.utils", "LazyFile.open",
     lambda c: (call(named("click.utils", "LazyFile"), str(c), "w"),)),
    ("writes", "fsspec.implementations.local", "LocalFileSystem.touch",
     _method("fsspec.implementations.local", "LocalFileSystem")),
    ("writes", "fsspec.core", "OpenFile.open",
     lambda c: (call(named("fsspec", "open"), str(c), "w"),)),
    ("writes", "filelock", "FileLock.acquire",
     lambda c: (call(named("filelock", "FileLock"), str(c)),)),
    ("writes", "jinja2.environment", "TemplateStream.dump",
     lambda c: (call(named("jinja2.environment", "TemplateStream"), _LINES),
                str(c))),
    ("writes", "zlib_ng.gzip_ng", "open", written("w")),
    ("writes", "junitparser", "JUnitXml.write",
     lambda c: (call(named("junitparser", "JUnitXml"), "a"), str(c))),
    ("writes", "omegaconf", "OmegaConf.save",
     lambda c: (call(named("omegaconf", "OmegaConf.create"), {"a": 1}), str(c))),
    ("writes", "setuptools._distutils.dir_util", "mkpath", written()),
    ("writes", "setuptools._distutils.file_util", "write_file", written(["x"])),
)  # fmt: skip

WRITERS: tuple[Bypass, ...] = (
    *bypasses_of(_OF_PYTHON, Loader.TORCH),
    *bypasses_of(_OF_LIBRARIES, Loader.TORCH),
)
