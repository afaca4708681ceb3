"""A place where files lie, asked through fsspec: listings, sizes, and ranges of bytes.

What goes over a network fails now and then. Whoever is too busy, or breaks off, is asked again, a
few times and ever later; what stays unreadable is an ``OSError`` with a message that holds no key.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from ckptdoctor.sources.s3 import Range, s3_range
from ckptdoctor.sources.urls import without_secrets

__all__ = ["Entry", "NoRangesError", "Store", "told"]

T = TypeVar("T")

ATTEMPTS = 5
_PARTIAL = 206
_FIRST_BYTE = re.compile(r"bytes (\d{1,19})-")
_FIRST_PAUSE_S = 0.25
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY_CODES = frozenset({"RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "Throttling"})
"""What S3 says with a status that is none of these."""
_FINAL_NAMES = frozenset({"InvalidURL", "TooManyRedirects"})
"""aiohttp's, of a server that leads nowhere: it will do so the next time as well."""
_MARKS = (
    "ETag", "etag", "e_tag", "Content-MD5", "Digest", "Last-Modified", "LastModified",
    "last_modified", "last-modified", "generation", "md5Hash", "updated", "version_id",
    "VersionId", "blob_id", "mtime", "modified", "created", "CRC", "date_time",
)  # fmt: skip
"""What stores call that which changes with an object."""
_TIMES = (
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "mtime",
    "modified",
    "created",
)
_LIBRARIES = (
    "aiohttp", "botocore", "aiobotocore", "httpx", "requests", "urllib3", "azure", "gcsfs",
)  # fmt: skip
_FINAL = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
)
_S3 = ("s3", "s3a")
_NOT_OVER_ANOTHER = {kind: {"IfNoneMatch": "*"} for kind in _S3}
"""How a store is asked to copy only to where nothing is; a library that knows no such option of the
call that it makes leaves it out."""


class NoRangesError(Exception):
    """The server gives files whole or not at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder, as its store tells.

    Attributes:
        name: within its folder.
        is_folder: whether it is one.
        nbytes: its size; -1 where the store does not say.
        mark: what changes when it does; b"" where the store tells nothing.
        modified_ns: when it was written, in nanoseconds since 1970; 0 where nothing tells.
    """

    name: str
    is_folder: bool
    nbytes: int
    mark: bytes
    modified_ns: int


class Store:
    """Files of one place.

    Args:
        system: of fsspec's.
        protocol: what its URLs begin with.
    """

    def __init__(self, system: Any, protocol: str) -> None:
        self._system = system
        self.protocol = protocol
        self.requests = 0
        self._lock = threading.Lock()

    @property
    def is_http(self) -> bool:
        """Whether it is a web server, which tells sizes by asking for each file."""
        return self.protocol in ("http", "https")

    def listed(self, path: str) -> list[Entry]:
        """What lies in a folder.

        Raises:
            OSError: it cannot be listed, or is not there.
        """
        found = self._asked(lambda: self._system.ls(path, detail=True))
        own = path.strip("/")
        return [_entry(one) for one in found if str(one["name"]).strip("/") != own or not own]

    def described(self, path: str, *, fresh: bool = False) -> Entry:
        """A file or a folder.

        Args:
            path: within the store.
            fresh: ask anew, whatever was told before.

        Raises:
            OSError: it is not there, or cannot be asked for.
        """
        if fresh:
            with contextlib.suppress(Exception):  # a cache that cannot be emptied is none
                self._system.invalidate_cache(path.rpartition("/")[0])
                self._system.invalidate_cache(path)
        return _entry(self._asked(lambda: self._system.info(path)))

    @property
    def fills_buffers(self) -> bool:
        """Whether what comes is put where it stays; else a library joins its pieces."""
        return self.protocol in _S3 and hasattr(self._system, "_call_s3")

    def read(self, path: str, start: int, end: int) -> bytes | Range:
        """A range of a file, all of it.

        Raises:
            NoRangesError: the server gives files whole.
            OSError: it cannot be read, or ends before.
        """

        def once() -> bytes | Range:
            data = self._range(path, start, end)
            if len(data) > end - start:
                raise NoRangesError
            if len(data) < end - start:
                raise ConnectionError(f"the answer ends after {len(data)} of {end - start} bytes")
            return data

        return self._asked(once)

    def _range(self, path: str, start: int, end: int) -> bytes | Range:
        if self.fills_buffers:
            from fsspec.asyn import sync

            found: Range = sync(self._system.loop, s3_range, self._system, path, start, end)
            return found
        if not self.is_http:
            return bytes(self._system.cat_file(path, start=start, end=end))
        from fsspec.implementations.http import HTTPFile, sync  # stops where a server sends all

        session = _Exact(sync(self._system.loop, self._system.set_session))
        file = HTTPFile(
            self._system,
            path,
            session=session,
            size=end,
            block_size=end - start,
            cache_type="none",
            loop=self._system.loop,
            **self._system.kwargs,
        )
        try:
            return bytes(file._fetch_range(start, end))  # noqa: SLF001  (what its reads come to)
        except ValueError as error:
            raise NoRangesError from error

    def download(self, path: str, into: str) -> None:
        """Copy a whole file to a local path.

        Raises:
            OSError: it cannot be read.
        """
        self._asked(lambda: self._system.get_file(path, into))

    def is_one_with(self, other: Store) -> bool:
        """Whether both are one place; fsspec opens one with the same options only once."""
        return self._system is other._system

    def upload(self, local: str, path: str) -> None:
        """Copy a file of this machine into the store.

        Raises:
            OSError: it cannot be written.
        """
        self._asked(lambda: self._system.put_file(local, path))

    def copy(self, path: str, to: str, *, replaces: bool) -> None:
        """Copy a file within the store.

        Args:
            path: of the file.
            to: where it goes.
            replaces: whether what is there may be replaced, where the store can tell.

        Raises:
            FileExistsError: the store refuses, for something is there.
            OSError: it cannot be copied.
        """
        terms = {} if replaces else _NOT_OVER_ANOTHER.get(self.protocol, {})
        self._asked(lambda: self._system.cp_file(path, to, **terms))

    def remove(self, path: str) -> None:
        """Remove a file.

        Raises:
            OSError: it is not there, or cannot be removed.
        """
        self._asked(lambda: self._system.rm_file(path))

    def _asked(self, ask: Callable[[], T]) -> T:
        for attempt in range(ATTEMPTS):
            with self._lock:
                self.requests += 1
            try:
                return ask()
            except NoRangesError:
                raise
            except Exception as raised:  # noqa: BLE001  (each library has errors of its own)
                error = _behind(raised)
                last = attempt == ATTEMPTS - 1
                if last or not _may_pass(error):
                    raise told(error, attempt + 1) from None  # the first one may hold a key
            time.sleep(_FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311
        raise AssertionError("unreachable: the last attempt returns or raises")


class _Exact:
    """A session whose answers are of the range that was asked for, as far as a server tells."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def get(self, url: Any, *, headers: Mapping[str, str], **options: Any) -> Any:
        answer = await self._session.get(url, headers=headers, **options)
        told = _FIRST_BYTE.match(answer.headers.get("Content-Range", ""))
        asked = _FIRST_BYTE.match(headers.get("Range", "").replace("=", " "))
        if answer.status == _PARTIAL and told and asked and int(told[1]) != int(asked[1]):
            answer.close()
            raise ConnectionError(
                f"asked for bytes from {asked[1]} on, the server sends those from {told[1]} on"
            )
        return answer


def _behind(error: Exception) -> Exception:
    """What happened: fsspec's says of a server that is busy that there is no such file."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return error
    return error if getattr(cause, "status", None) in (404, 410) else cause


def _may_pass(error: Exception) -> bool:
    """Whether the same question may be answered a little later."""
    if isinstance(error, _FINAL) or _is_precondition(error):
        return False
    if {one.__name__ for one in type(error).__mro__} & _FINAL_NAMES:
        return False
    status, code = _answer(error)
    if status:
        return status in _BUSY or code in _BUSY_CODES
    of_a_library = type(error).__module__.startswith(_LIBRARIES)
    return of_a_library or isinstance(error, OSError | TimeoutError | EOFError)


def _answer(error: Exception) -> tuple[int, str]:
    """The status of an answer, and a store's own code; 0 and "" where there was none."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status, ""
    answer = getattr(error.__cause__ or error, "response", None)  # botocore's
    if not isinstance(answer, dict):
        return 0, ""
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = answer.get("Error", {}).get("Code")
    return status if isinstance(status, int) else 0, str(code or "")


def _is_precondition(error: Exception) -> bool:
    """Whether a store says that what was asked for holds only where nothing is."""
    return _answer(error)[1] in ("PreconditionFailed", "ConditionalRequestConflict", "412")


def told(error: Exception, attempts: int = 1) -> OSError:
    """As an error of the system, on one line and without keys.

    Args:
        error: of any library.
        attempts: how often it was tried.
    """
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such file")
    if isinstance(error, FileExistsError) or _is_precondition(error):
        return FileExistsError(errno.EEXIST, "something is there")
    if isinstance(error, NotImplementedError):
        return OSError(errno.ENOTSUP, "this kind of URL cannot do that")
    status = getattr(error, "status", None)
    said = without_secrets(str(getattr(error, "strerror", None) or error))
    if isinstance(status, int) and status:
        why = without_secrets(str(getattr(error, "message", "")))
        said = f"the server answers {status} {why}".rstrip()
    said = said or type(error).__name__
    if isinstance(error, PermissionError) or status in (401, 403):
        return PermissionError(errno.EACCES, f"access denied: {said}")
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return PermissionError(errno.EACCES, f"{said}; fsspec found no credentials")
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    return OSError(errno.EIO, f"{said}{tried}")


def _entry(one: Mapping[str, Any]) -> Entry:
    name = str(one["name"]).rstrip("/").rpartition("/")[2]
    size = one.get("size")
    marks = [f"{key}={_plain(one[key])}" for key in _MARKS if one.get(key)]
    return Entry(
        name=name,
        is_folder=one.get("type") == "directory",
        nbytes=-1 if size is None else int(size),
        mark=f"size={size};{';'.join(marks)}".encode("utf-8", "surrogateescape") if marks else b"",
        modified_ns=_modified_ns(one),
    )


def _plain(value: object) -> object:
    """A time as a number: one store tells it as either."""
    return value.timestamp() if isinstance(value, datetime) else value


def _modified_ns(one: Mapping[str, Any]) -> int:
    """When it was written, in nanoseconds since 1970; 0 where nothing is told."""
    for key in _TIMES:
        value = one.get(key)
        with contextlib.suppress(ValueError, OverflowError):
            if isinstance(value, str):
                value = _date(value)
            if isinstance(value, datetime):
                return int(value.timestamp()) * 1_000_000_000
            if isinstance(value, int | float) and value > 0:
                return int(value * 1_000_000_000)
    return 0


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
