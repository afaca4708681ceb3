"""A web server, asked through fsspec: pages that list a folder, and ranges of files.

No two servers list a folder alike. What they share is a page of links; which of its links are
files of the folder, and whether a page is a list at all, is told here. A name is kept as a URL has
it, with its escapes.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.entry import Entry, entry_of
from ckptdoctor.sources.errors import NoListError, NoRangesError
from ckptdoctor.sources.rooms import rooms

__all__ = ["Web", "with_slash"]

_AT_ONCE = 8
_MOST_FOLDERS = 1000
"""A server may lead from folder to folder without end."""
_PARTIAL = 206
_FIRST_BYTE = re.compile(r"bytes (\d{1,19})-")
_PAGES = ("text/html", "application/xhtml+xml", "")
_PAGE_NBYTES = 64 << 20
_PAGE_S = 120.0
"""A listing that takes longer comes from a server that lets a few bytes go now and then."""
_RANGE_S = 300.0
_SILENT_S = 60.0
_LINK = re.compile(
    r"<a\s[^<>]{0,512}?href\s{0,8}=\s{0,8}(\"[^\"<>]{0,4096}\"|'[^'<>]{0,4096}'|[^\s<>\"']{1,4096})",
    re.IGNORECASE,
)
_IS_INDEX = re.compile(
    r"<(?:title|h1)[^<>]{0,200}>\s{0,20}(?:index of|directory|listing|files within|contents of)",
    re.IGNORECASE,
)
_KEPT = "!$&'()*+,;=:@~"
"""What stands in a name of a URL as it is."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What a server shows of a folder.

    Attributes:
        entries: the links to what lies in it.
        titled: whether its heading says that it is a list.
        led: whether the server led from the URL without a slash to that with one.
    """

    entries: tuple[Entry, ...]
    titled: bool
    led: bool

    def is_list_of(self, url: str) -> bool:
        """Whether that is a folder; a page that is shown in place of a file is none."""
        name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
        return self.titled or (bool(self.entries) and (self.led or "." not in name))


class Web:
    """Folders and files of web servers.

    Args:
        system: fsspec's.
        asked: asks, and asks again where that may help.
    """

    def __init__(self, system: Any, asked: Callable[[Callable[[], Any]], Any]) -> None:
        self._system = system
        self._asked = asked
        self._leads: dict[str, str] = {}
        self._seen: dict[str, _Page] = {}

    def forget(self) -> None:
        """Have every page be asked for anew."""
        self._leads.clear()
        self._seen.clear()

    def listed(self, url: str) -> list[Entry]:
        """What lies in a folder.

        Raises:
            NoListError: the server shows something else there.
            OSError: it cannot be asked for, or is not there.
        """
        page = self._seen.pop(url, None) or self._page(url)
        if not (page.titled or page.entries):
            raise NoListError
        return list(page.entries)

    def below(self, url: str) -> dict[str, Entry]:
        """All that lies below a folder, by its path there; each file is asked for its size.

        Raises:
            NoListError: the server shows something else there.
            OSError: it cannot be listed, or is not there.
        """
        plain = without_slash(url)
        found = {"": Entry("", True, 0, b"", 0)}  # noqa: FBT003
        todo, folders = [""], 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while todo and folders < _MOST_FOLDERS:
                at, folders = todo.pop(), folders + 1
                named = [(f"{at}{one.name}", one) for one in self.listed(_joined(plain, at))]
                todo += [f"{name}/" for name, one in named if one.is_folder]
                files = [name for name, one in named if not one.is_folder]
                sized = zip(files, pool.map(partial(self._file, plain), files), strict=True)
                found |= {name: entry for name, entry in sized if entry is not None}
                found |= {name: one for name, one in named if one.is_folder}
        return found

    def _file(self, folder: str, name: str) -> Entry | None:
        """A file of a folder; None where it is gone by now, or nothing tells its size."""
        try:
            found = self.described(_joined(folder, name), may_be_folder=False)
        except FileNotFoundError:
            return None
        return found if found.nbytes >= 0 else None

    def described(self, url: str, *, may_be_folder: bool) -> Entry:
        """A file; or a folder, if the server shows a list of files in its place.

        Args:
            url: of it.
            may_be_folder: whether that is looked for.

        Raises:
            OSError: it is not there, or cannot be asked for.
        """
        try:
            found = self._asked(lambda: self._run(self._info(self.led(url))))
        except FileNotFoundError:
            if may_be_folder and (entry := self._folder(url)) is not None:
                return entry
            raise
        is_page = str(found.get("mimetype") or "-").lower() in _PAGES
        if may_be_folder and is_page and (entry := self._folder(url)) is not None:
            return entry
        return entry_of(found)

    async def _info(self, url: str) -> Any:
        return await asyncio.wait_for(self._system._info(url), _SILENT_S)  # noqa: SLF001

    def _folder(self, url: str) -> Entry | None:
        try:
            page = self._page(url)
        except OSError:
            return None
        if not page.is_list_of(url):
            return None
        self._seen[url] = page
        name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
        return Entry(name, True, 0, b"", 0)  # noqa: FBT003

    def led(self, url: str) -> str:
        """A URL, or where the server leads on from the folder that it is in.

        A query, which may be a key, goes to no other server.
        """
        for start in sorted(self._leads, key=len, reverse=True):
            if url.startswith(start):
                to = self._leads[start] + url[len(start) :]
                return to if _is_as_safe(to, start) else to.partition("?")[0]
        return url

    def _page(self, url: str) -> _Page:
        """What is shown at the URL with a slash at its end; some know it without one alone."""
        try:
            found = self._asked_for_page(with_slash(url))
        except FileNotFoundError:
            found = None
        if found is None or not (found.titled or found.entries):
            return self._asked_for_page(without_slash(url))
        return found

    def _asked_for_page(self, url: str) -> _Page:
        asked = self.led(url)
        final, text = self._asked(lambda: self._run(self._text(asked)))
        base = with_slash(final.partition("?")[0])
        names = dict(_links(text, base))
        plain = with_slash(asked.partition("?")[0])
        if names and _without_login(plain) != base:
            self._leads[plain] = _with_login(base, plain)
        return _Page(
            tuple(Entry(name, is_folder, -1, b"", 0) for name, is_folder in names.items()),
            _IS_INDEX.search(text, 0, 65536) is not None,
            led=not asked.partition("?")[0].endswith("/") and final.endswith("/"),
        )

    async def _text(self, url: str) -> tuple[str, str]:
        """Where the server led, and the page there; "" of what is none."""
        session = await self._system.set_session()

        async def ask() -> tuple[str, str]:
            encoded = self._system.encode_url(url)
            async with session.get(encoded, **self._system.kwargs) as answer:
                if answer.status in (404, 410):
                    raise FileNotFoundError(url)
                answer.raise_for_status()
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if kind not in _PAGES:
                    return str(answer.url), ""
                pieces, size = [], 0
                async for piece in answer.content.iter_any():
                    size += len(piece)
                    if size > _PAGE_NBYTES:
                        raise NoListError
                    pieces.append(piece)
                return str(answer.url), b"".join(pieces).decode("utf-8", "replace")

        return await asyncio.wait_for(ask(), _PAGE_S)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._system.loop).result()

    # -- bytes -----------------------------------------------------------------------------------

    def bytes_of(self, url: str, start: int, end: int) -> tuple[memoryview, str]:
        """A range of a file, all of it, and its etag; "" where the server does not tell that.

        Raises:
            NoRangesError: the server gives files whole.
            ConnectionError: the answer is of another range, or shorter.
            Exception: as fsspec and its libraries raise.
        """
        room, etag = self._run(self._bytes_of(self.led(url), start, end))
        return room, etag

    async def _bytes_of(self, url: str, start: int, end: int) -> tuple[memoryview, str]:
        session = await self._system.set_session()
        options = {**self._system.kwargs, "timeout": _timeout(_RANGE_S)}
        of_the_user = options.pop("headers", None) or {}
        asked = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        options["headers"] = {**of_the_user, **asked}
        nbytes, at = end - start, 0
        async with session.get(self._system.encode_url(url), **options) as answer:
            answer.raise_for_status()
            is_range = _is_range(answer, start)
            if not is_range and start > 0:
                raise NoRangesError
            room = rooms.room(nbytes)
            async for piece in answer.content.iter_any():
                taken = piece[: nbytes - at]
                room[at : at + len(taken)] = taken
                at += len(taken)
                if len(taken) < len(piece):
                    if is_range:
                        raise NoRangesError
                    break  # all of the file comes, and its start was asked for
        if at < nbytes:
            raise ConnectionError(f"the answer ends after {at} of {nbytes} bytes")
        return room, str(answer.headers.get("ETag", ""))

    def download(self, url: str, into: str, nbytes: int) -> None:
        """Copy a whole file to a local path, and one byte at most of what a server sends behind it.

        Raises:
            OSError: it cannot be read.
        """
        asked = self.led(url)

        async def once() -> None:
            session = await self._system.set_session()
            options = self._system.kwargs | {"timeout": _timeout(None)}
            room = nbytes + 1
            async with session.get(self._system.encode_url(asked), **options) as answer:
                answer.raise_for_status()
                with open(into, "wb") as file:  # noqa: PTH123
                    async for piece in answer.content.iter_any():
                        file.write(piece[:room])
                        room -= len(piece)
                        if room <= 0:
                            return

        self._asked(lambda: self._run(once()))


def _is_range(answer: Any, start: int) -> bool:
    """Whether an answer is a part of the file.

    Raises:
        ConnectionError: the server itself tells that it is another one than was asked for.
    """
    told = _FIRST_BYTE.match(answer.headers.get("Content-Range", ""))
    if answer.status != _PARTIAL:
        return told is not None and int(told[1]) == start
    if told and int(told[1]) != start:
        raise ConnectionError(
            f"asked for bytes from {start} on, the server sends those from {told[1]} on"
        )
    return True


def _timeout(total_s: float | None) -> Any:
    """An end to each silence, and to the whole of an answer where it has one."""
    import aiohttp

    return aiohttp.ClientTimeout(total=total_s, sock_connect=_SILENT_S, sock_read=_SILENT_S)


def with_slash(url: str) -> str:
    """The URL of a folder."""
    return _joined(url, "")


def _joined(url: str, below: str) -> str:
    """The URL of what lies in a folder."""
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/{below}{mark}{query}"


def without_slash(url: str) -> str:
    """The URL of a folder as a file's is spelled."""
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}{mark}{query}"


def _links(text: str, base: str) -> Iterator[tuple[str, bool]]:
    """The names of what lies in a folder, and whether each is a folder.

    Args:
        text: of the page.
        base: its URL, with a slash at its end.
    """
    root = urlsplit(base)
    for found in _LINK.finditer(text):
        href = html.unescape(found[1].strip("\"' \t\r\n"))
        try:
            link = urlsplit(urljoin(base, href))
        except ValueError:
            continue
        if link.netloc != root.netloc or not link.path.startswith(root.path):
            continue
        below = link.path[len(root.path) :]
        name, slash, rest = below.partition("/")
        known = unquote_to_bytes(name)
        if rest or known in (b"", b".", b"..") or b"/" in known or b"\0" in known:
            continue
        yield quote(known, safe=_KEPT), bool(slash)


def _is_as_safe(to: str, of: str) -> bool:
    """Whether a URL is of the same server, and no less encrypted."""
    there, here = urlsplit(to), urlsplit(of)
    if there.scheme == here.scheme:
        return there.netloc.rpartition("@")[2] == here.netloc.rpartition("@")[2]
    return there.scheme == "https" and there.hostname == here.hostname


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f"//{parts.netloc}", f"//{parts.netloc.rpartition('@')[2]}", 1)


def _with_login(url: str, asked: str) -> str:
    """A URL with the login of another one, if both are of one server."""
    to, of = urlsplit(url), urlsplit(asked)
    login, at, host = of.netloc.rpartition("@")
    if not at or (to.scheme, to.netloc) != (of.scheme, host):
        return url
    return url.replace(f"//{to.netloc}", f"//{login}@{to.netloc}", 1)
