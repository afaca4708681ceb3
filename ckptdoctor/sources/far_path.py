"""Paths of files that lie elsewhere: shown as their URL, opened where the mirror has them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from ckptdoctor.errors import UsageError
from ckptdoctor.sources import descriptors
from ckptdoctor.sources.far_file import FarFile
from ckptdoctor.sources.mirror import mirror
from ckptdoctor.sources.mount import Mount
from ckptdoctor.sources.store import Store
from ckptdoctor.sources.urls import redacted
from ckptdoctor.sources.web import with_slash

__all__ = ["FarPath", "far_path"]

_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "abfss": "azure", "adl": "azure", "hf": "hf",
}  # fmt: skip
_PACKAGES = {"http": "aiohttp", "https": "aiohttp"}
_LOCAL = ("file", "local")
_CACHES = ("blockcache", "cached", "filecache", "simplecache")
_BUFFER_NBYTES = 1 << 16
_ahead: dict[str, FarFile] = {}
"""By place in the mirror, those that are fetched and not opened yet."""


class FarPath(type(Path())):  # type: ignore[misc]  # PosixPath
    """A path whose file lies elsewhere.

    Its text is the URL, without keys; to the system it is the place in the mirror. Its name, its
    parents and what is joined to it are those of the mirror, and so far paths as well.
    """

    __slots__ = ()

    def __str__(self) -> str:
        place = super().__str__()
        found = mirror.of(place)
        return place if found is None else found[0].url(found[1])

    def __fspath__(self) -> str:
        return str(super().__str__())

    def __repr__(self) -> str:
        return f"FarPath({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        found = mirror.of(os.fspath(self))
        if found is None:
            return (Path, (os.fspath(self),))
        return (far_path, (found[0].full_url(found[1]),))

    # -- what is asked of a file -----------------------------------------------------------------

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As of the mirror, its folder looked into before.

        Raises:
            OSError: it is not there, or cannot be looked at.
        """
        self._look()
        try:
            return Path(os.fspath(self)).stat(follow_symlinks=follow_symlinks)
        except OSError as error:
            met = mirror.trouble(os.fspath(self)) or error
            raise type(met)(met.errno, met.strerror, str(self)) from None

    def exists(self, **_: Any) -> bool:
        """Whether there is such a file or folder."""
        self._look()
        return bool(super().exists())

    def is_file(self, **_: Any) -> bool:
        """Whether it is a file."""
        self._look()
        return bool(super().is_file())

    def is_dir(self, **_: Any) -> bool:
        """Whether it is a folder."""
        self._look()
        return bool(super().is_dir())

    def iterdir(self) -> Iterator[FarPath]:
        """What lies in a folder."""
        mirror.fill(self)
        for one in Path(os.fspath(self)).iterdir():
            yield self / one.name

    def _look(self) -> None:
        mirror.look(os.fspath(self))

    def open(self, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:
        """Open it for reading.

        Raises:
            OSError: it cannot be opened, or is to be written.
        """
        if set(mode) - set("rbt"):
            raise OSError(f"{self}: far files are only read")
        self._look()
        raw = _Raw(descriptors.open_readable(self, os.O_RDONLY))
        binary = io.BufferedReader(raw, _BUFFER_NBYTES)
        if "b" in mode:
            return binary
        named = dict(zip(("buffering", "encoding", "errors", "newline"), args, strict=False))
        named.update(options)
        named.pop("buffering", None)
        return io.TextIOWrapper(binary, **named)

    # -- names -----------------------------------------------------------------------------------

    def resolve(self, strict: bool = False) -> FarPath:  # noqa: ARG002, FBT001, FBT002
        """Itself: nothing there is a link."""
        return FarPath(os.path.normpath(os.fspath(self)))

    @property
    def far_argument(self) -> str:
        """Its URL as a command takes it: a folder of a web server is told by a slash."""
        found = mirror.of(os.fspath(self))
        is_folder = (
            found is not None and found[0].store.is_http and os.path.isdir(os.fspath(self))  # noqa: PTH112
        )
        return with_slash(str(self)) if is_folder else str(self)

    def as_posix(self) -> str:
        """Its URL."""
        return str(self)

    def as_uri(self) -> str:
        """Its URL, with what is no letter of one escaped."""
        return quote(str(self), safe="/:@?=&+,;$!*'()~…")

    # -- bytes -----------------------------------------------------------------------------------

    def far_bytes(self) -> FarFile:
        """Its bytes, to be fetched.

        Raises:
            OSError: it is not there.
        """
        found = mirror.of(os.fspath(self))
        if found is None:
            raise FileNotFoundError(str(self))
        place = os.fspath(self)
        ahead = _ahead.pop(place, None)
        if ahead is not None:
            return ahead
        mount, below = found
        return FarFile(mount.store, mount.at(below), place, self.stat().st_size, self.far_mark)

    def fetched_ahead(self) -> FarFile | None:
        """Its bytes, fetched before it is opened; None where they are too many, or not there."""
        try:
            found = self.far_bytes()
        except OSError:
            return None
        if not found.fetch_ahead():
            return None
        _ahead[os.fspath(self)] = found
        return found

    def not_ahead(self) -> None:
        """Drop what was fetched for it, if nobody opened it."""
        found = _ahead.pop(os.fspath(self), None)
        if found is not None:
            found.close()

    def is_as_seen(self, nbytes: int, mark: bytes, modified_ns: int) -> None:
        """Told by another process what it is; its folder is not looked into for that."""
        mirror.give(os.fspath(self), nbytes, mark, modified_ns)

    def list_anew(self) -> bool:
        """Have the folder, with all below it, be what its store says now; whether it was not.

        Raises:
            FileNotFoundError: it is not there.
            NotADirectoryError: it is a file.
            OSError: it cannot be listed; all stays as it was.
        """
        return mirror.relist(os.fspath(self))

    def list_beside_anew(self) -> bool:
        """Have what was looked into beside the folder be what its store says; whether it was not.

        Raises:
            OSError: it cannot be listed.
        """
        return mirror.relist_beside(os.fspath(self))

    def ask_anew(self) -> None:
        """Have the file be what its store says now.

        Raises:
            OSError: it cannot be asked for.
        """
        mirror.ask_anew(os.fspath(self))

    def missing_top(self) -> str:
        """The URL of the bucket that it would lie in, which is not there; "" where that is."""
        found = mirror.of(os.fspath(self))
        top = "" if found is None else found[0].top(found[1])
        return "" if found is None or not top or found[0].store.has(top) else found[0].url(top)

    @property
    def may_be_listed(self) -> bool:
        """Whether a store lists such a folder: not what it has of buckets, or of users' models."""
        found = mirror.of(os.fspath(self))
        return found is None or found[0].store.is_http or found[0].is_listable(found[1])

    @property
    def lies_within_another(self) -> bool:
        """Whether it is a part of an archive, or reached by way of another URL."""
        found = mirror.of(os.fspath(self))
        return found is not None and bool(found[0].suffix)

    @property
    def names_folder(self) -> bool:
        """Whether the user named it with a slash at its end."""
        found = mirror.of(os.fspath(self))
        return found is not None and found[1] in found[0].folders

    @property
    def far_mark(self) -> bytes:
        """What tells this version of it from others; b"" where nothing does."""
        return mirror.mark(os.fspath(self))

    @property
    def far_key(self) -> str:
        """What is the same for the same file in each process; never shown."""
        found = mirror.of(os.fspath(self))
        return os.fspath(self) if found is None else found[0].full_url(found[1])

    @property
    def trouble(self) -> OSError | None:
        """Why it cannot be looked at; None where it can, or is not there."""
        self._look()
        return mirror.trouble(os.fspath(self))


class _Raw(io.RawIOBase):
    """The bytes of a far file in order, by its descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def readinto(self, buffer: Any) -> int:
        done = descriptors.read_into(self._fd, memoryview(buffer), self._at)
        self._at += done
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence, os.fstat(self._fd).st_size)
        self._at = base + offset
        return self._at

    def close(self) -> None:
        if not self.closed:
            descriptors.close(self._fd)
        super().close()


# -- URLs ----------------------------------------------------------------------------------------


def far_path(url: str) -> Path:
    """The path of a URL.

    Raises:
        UsageError: nobody knows that kind of URL, or what opens it is not installed.
    """
    first, chain, rest = url.partition("::")
    protocol = first.partition("://")[0] if "://" in first else first
    if protocol in _CACHES:
        raise UsageError(
            f"{redacted(url)}: fsspec's caches are not gone through: bytes are fetched as they are "
            f"read, and what was read is remembered: give the URL behind it, {redacted(rest)}"
        )
    if protocol in _LOCAL and not chain:
        return Path(first.partition("://")[2])
    if chain and "://" not in first:
        first = f"{first}://"
    system, inside = _opened(url, protocol)
    store = Store(system, protocol)
    below, query = first.partition("://")[2], ""
    if store.is_http:
        below, mark, query = below.partition("?")
        host, slash, rest_below = below.partition("/")
        login, at, host = host.rpartition("@")  # it is in no place of the mirror, and no name
        below = host + slash + rest_below
        lead, query = f"{protocol}://{login}{at}", mark + query
    else:
        below, lead = _common(below, inside)
    prefix = first.partition("?")[0] if store.is_http else first
    is_folder = below.endswith("/")
    own = _tidy(below)
    prefix = prefix[: len(prefix) - len(below)] if below else prefix
    mount = mirror.mount(store, prefix=prefix, suffix=chain + rest, lead=lead, query=query)
    return _named(mount, own, is_folder=is_folder)


def _named(mount: Mount, below: str, *, is_folder: bool) -> FarPath:
    mirror.named(mount, below, is_folder=is_folder)
    return FarPath(mount.folder, below)


def _tidy(below: str) -> str:
    """A path without empty names, and without ``..``, which a store does not know."""
    kept: list[str] = []
    for name in below.split("/"):
        if name == "..":
            del kept[-1:]
        elif name not in ("", "."):
            kept.append(name)
    return "/".join(kept)


def _common(told: str, inside: str) -> tuple[str, str]:
    """What the path in a URL and the path in its store end with, and what else the latter has."""
    ours, theirs = told.strip("/").split("/"), inside.strip("/").split("/")
    same = 0
    while same < min(len(ours), len(theirs)) and ours[-1 - same] == theirs[-1 - same]:
        same += 1
    ahead = theirs[: len(theirs) - same] if any(theirs) else []
    lead = "/" * inside.startswith("/") + "".join(f"{one}/" for one in ahead)
    kept = "/".join(ours[len(ours) - same :])
    return (kept + "/" if kept and told.endswith("/") else kept), lead


def _opened(url: str, protocol: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        system, inside = url_to_fs(url)
    except ImportError as error:
        raise UsageError(_missing(url, protocol)) from error
    except ValueError as error:
        raise UsageError(f"{redacted(url)}: no such kind of URL is known: {protocol}") from error
    except Exception as error:  # noqa: BLE001  (each library has errors of its own)
        from ckptdoctor.sources.store import told

        found = told(error)
        found.filename = redacted(url)
        raise found from None
    return system, str(inside)


def _missing(url: str, protocol: str) -> str:
    """That a package is not there, and the command that brings it."""
    for one in (protocol, *(link.partition("://")[0] for link in url.split("::"))):
        if one in _EXTRAS:
            return (
                f"{redacted(url)}: what opens {one}:// is not installed: "
                f"pip install 'ckptdoctor[{_EXTRAS[one]}]'"
            )
        if one in _PACKAGES:
            return (
                f"{redacted(url)}: what opens {one}:// is not installed: "
                f"pip install {_PACKAGES[one]}"
            )
    return f"{redacted(url)}: what opens {protocol}:// is not installed; see fsspec's documentation"
