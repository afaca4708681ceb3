"""A place where files lie, asked through fsspec: listings, sizes, and ranges of bytes.

What goes over a network fails now and then. Whoever is too busy, or breaks off, is asked again, a
few times and ever later; what stays unreadable is an ``OSError`` with a message that holds no key.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ckptdoctor.sources.entry import Entry, entry_of
from ckptdoctor.sources.errors import NoListError, NoRangesError
from ckptdoctor.sources.s3 import Range, impatient, part_nbytes, s3_range
from ckptdoctor.sources.urls import without_secrets
from ckptdoctor.sources.web import Web

__all__ = ["Store", "told"]

T = TypeVar("T")

ATTEMPTS = 5
_FIRST_PAUSE_S = 0.25
_PATIENCE_S = 120.0
"""After so long nothing is asked again: whoever hangs took all of it for one answer."""
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY_CODES = frozenset(
    {
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SlowDown",
        "Throttling",
        "XAmzContentSHA256Mismatch",
    }
)
"""What S3 says with a status that is none of these."""
_FINAL_NAMES = frozenset(
    {
        "InvalidURL", "NoCredentialsError", "ParamValidationError", "PartialCredentialsError",
        "ProfileNotFound", "TooManyRedirects",
    }
)  # fmt: skip
"""aiohttp's, of a server that leads nowhere, and botocore's of a name that nothing can have, or of
keys that are not there: it will be so the next time as well."""
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


class Store:
    """Files of one place.

    Args:
        system: of fsspec's.
        protocol: what its URLs begin with.
    """

    def __init__(self, system: Any, protocol: str) -> None:
        self._given = system
        self._system = impatient(system)
        self.protocol = protocol
        self.requests = 0
        self._lock = threading.Lock()
        self._web = Web(system, self._asked)

    @property
    def is_http(self) -> bool:
        """Whether it is a web server, which tells sizes by asking for each file."""
        return self.protocol in ("http", "https")

    def listed(self, path: str) -> list[Entry]:
        """What lies in a folder.

        Raises:
            OSError: it cannot be listed, or is not there.
        """
        if self.is_http:
            return self._web.listed(path)
        found = self._asked(lambda: self._system.ls(path, detail=True))
        own = path.strip("/")
        return [entry_of(one) for one in found if str(one["name"]).strip("/") != own or not own]

    def listed_anew(self, path: str) -> list[Entry]:
        """What lies in a folder now, whatever was told before.

        Raises:
            OSError: it cannot be listed, or is not there.
        """
        self.forget()
        return self.listed(path)

    def below(self, path: str) -> dict[str, Entry]:
        """All that lies below a folder now, by its path there; one question for 1,000 objects.

        Raises:
            FileNotFoundError: nothing does.
            NotADirectoryError: it is a file.
            OSError: it cannot be listed.
        """
        if self.is_http:
            return self._web.below(path)
        self.forget()
        own = f"{path.strip('/')}/"
        found: dict[str, Entry] = {}
        for one in self._asked(lambda: self._system.find(path, detail=True)).values():
            name = str(one["name"]).lstrip("/")
            if name == own[:-1]:
                raise NotADirectoryError(errno.ENOTDIR, "a file")
            if name.startswith(own):
                below = name[len(own) :]
                entry = entry_of(one)
                is_folder = entry.is_folder or below.endswith("/") or not below
                found[below.rstrip("/")] = replace(entry, is_folder=is_folder)
        if not found:
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        return found

    def has(self, path: str) -> bool:
        """Whether something is there, asked anew; whoever must not ask is not told that it is not.

        Args:
            path: of a bucket, or what else a store calls its uppermost folders.
        """
        try:
            self.described(path, fresh=True)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def forget(self) -> None:
        """Have all be asked anew, whatever was told before."""
        self._web.forget()
        with contextlib.suppress(Exception):  # a cache that cannot be emptied is none
            self._system.invalidate_cache()

    def described(self, path: str, *, fresh: bool = False, may_be_folder: bool = False) -> Entry:
        """A file or a folder.

        Args:
            path: within the store.
            fresh: ask anew, whatever was told before.
            may_be_folder: whether what a web server shows a page for is asked for a list of files.

        Raises:
            OSError: it is not there, or cannot be asked for.
        """
        if fresh:
            with contextlib.suppress(Exception):  # a cache that cannot be emptied is none
                self._system.invalidate_cache(path.rpartition("/")[0])
                self._system.invalidate_cache(path)
        if self.is_http:
            return self._web.described(path, may_be_folder=may_be_folder)
        return entry_of(self._asked(lambda: self._system.info(path)))

    @property
    def _is_s3(self) -> bool:
        return self.protocol in _S3 and hasattr(self._system, "_call_s3")

    @property
    def fills_buffers(self) -> bool:
        """Whether what comes is put where it stays; else a library joins its pieces."""
        return self.is_http or self._is_s3

    def read(self, path: str, start: int, end: int) -> Range:
        """A range of a file, all of it, with its version where the answer tells that.

        Raises:
            NoRangesError: the server gives files whole.
            OSError: it cannot be read, or ends before.
        """

        def once() -> Range:
            if self.is_http:
                return Range(*self._web.bytes_of(path, start, end))
            if self._is_s3:
                from fsspec.asyn import sync

                found: Range = sync(self._system.loop, s3_range, self._system, path, start, end)
                return found
            data = bytes(self._system.cat_file(path, start=start, end=end))
            if len(data) > end - start:
                raise NoRangesError
            if len(data) < end - start:
                raise ConnectionError(f"the answer ends after {len(data)} of {end - start} bytes")
            return Range(memoryview(data))

        return self._asked(once)

    def download(self, path: str, into: str, nbytes: int) -> None:
        """Copy a whole file to a local path.

        Args:
            path: within the store.
            into: the local path.
            nbytes: its size; no byte behind it is written.

        Raises:
            OSError: it cannot be read.
        """
        if self.is_http:
            self._web.download(path, into, nbytes)
        else:
            self._asked(lambda: self._system.get_file(path, into))

    def is_one_with(self, other: Store) -> bool:
        """Whether both are one place; fsspec opens one with the same options only once."""
        return self._given is other._given

    def upload(self, local: str, path: str) -> None:
        """Copy a file of this machine into the store.

        Raises:
            OSError: it cannot be written.
        """
        size = os.path.getsize(local)  # noqa: PTH202
        terms = {"chunksize": part_nbytes(size)} if self._is_s3 else {}
        self._asked(lambda: self._system.put_file(local, path, **terms))

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
        began_s = time.monotonic()
        for attempt in range(ATTEMPTS):
            with self._lock:
                self.requests += 1
            try:
                return ask()
            except (NoListError, NoRangesError):
                raise
            except Exception as raised:  # noqa: BLE001  (each library has errors of its own)
                error = _behind(raised)
                last = attempt == ATTEMPTS - 1 or time.monotonic() - began_s > _PATIENCE_S
                if last or not _may_pass(error):
                    raise told(error, attempt + 1) from None  # the first one may hold a key
            time.sleep(_FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311
        raise AssertionError("unreachable: the last attempt returns or raises")


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


def _is_no_name(error: BaseException) -> bool:
    """Whether botocore says that nothing can be called so; its own words are a page long."""
    behind = error.__cause__ or error
    return "ParamValidationError" in (type(error).__name__, type(behind).__name__)


def told(error: Exception, attempts: int = 1) -> OSError:
    """As an error of the system, on one line and without keys.

    Args:
        error: of any library.
        attempts: how often it was tried.
    """
    if _is_no_name(error):
        return OSError(errno.EINVAL, "no bucket and no object can have such a name")
    if _answer(error)[1] == "NoSuchBucket":
        return FileNotFoundError(errno.ENOENT, "no such bucket")
    if isinstance(error, FileNotFoundError) or _answer(error)[1] == "404":
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
