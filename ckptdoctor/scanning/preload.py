"""Loading torch's library in the background, while the program is still importing itself."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path

__all__ = ["is_preloaded", "library_path", "preload", "wait_until_preloaded"]

# The dynamic loader does one thing at a time: an extension module that the program imports while
# the library loads would wait until it has. So those that it will need come first.
_EXTENSIONS = tuple(
    (
        "_bisect _blake2 _bz2 _datetime _decimal _hashlib _heapq _json _lzma _pickle"
        " _posixsubprocess _queue _random _sha512 _sqlite3 _statistics _uuid array binascii fcntl"
        " grp mmap select unicodedata zlib zlib_ng.zlib_ng"
    ).split()
)
_M_ARENA_MAX = -8
_LIBRARIES = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}


def library_path() -> Path | None:
    """Where torch keeps its CPU library, found without importing torch; None without torch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "lib" / _LIBRARIES.get(sys.platform, "libtorch_cpu.so")


_preloaded = False
_loading: threading.Thread | None = None


def is_preloaded() -> bool:
    """Whether the library is loaded, or on its way."""
    return _preloaded


def wait_until_preloaded() -> None:
    """Wait for the library, if it is on its way: a copy of this process shall have it."""
    if _loading is not None:
        _loading.join()


def preload() -> None:
    """Start loading the library in a thread; nobody has to wait for it.

    ``ctypes.CDLL`` holds the GIL for the quarter of a second that loading takes; calling the
    system's ``dlopen`` as a foreign function gives it up.
    """
    global _preloaded, _loading  # noqa: PLW0603  (a library is loaded once a process)
    if _preloaded:
        return
    path = library_path()
    if path is None or os.name != "posix" or not path.is_file():
        return
    _preloaded = True
    with contextlib.suppress(AttributeError):  # glibc's alone
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)  # an arena a thread would waste half a megabyte
    for name in _EXTENSIONS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _loading = threading.Thread(target=_load, args=(os.fsencode(path),), name="ckptdoctor-preload")
    _loading.start()


def _load(path: bytes) -> None:
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    dlopen.restype = ctypes.c_void_p
    dlopen(path, os.RTLD_NOW | os.RTLD_LOCAL)  # a failure shows when the library is really used
