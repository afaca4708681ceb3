"""Far folders as local ones: a folder in the temporary folder, filled as it is looked into.

A file of it is empty, and as long as the one that it stands for; whoever lists, sorts, joins or
asks for sizes does it as with any other folder. What is listed costs a name each, and no byte of a
file lies here unless a server gives files only whole. It is gone when the program ends.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ckptdoctor import places
from ckptdoctor.sources import leftovers
from ckptdoctor.sources.entry import Entry
from ckptdoctor.sources.mirror_files import (
    LONGEST_NAME,
    fits,
    gone,
    is_as_told,
    make_file,
    nbytes_of,
)
from ckptdoctor.sources.mount import Mount
from ckptdoctor.sources.store import Store

__all__ = ["Mirror", "mirror"]

_AT_ONCE = 8
_MADE = ".made"
"""A file on its way to its place."""


class Mirror:
    """The mirror of one process."""

    def __init__(self) -> None:
        self._root = ""
        self._mounts: list[Mount] = []
        self._marks: dict[str, bytes] = {}
        self._lock = threading.RLock()

    def _made(self) -> str:
        """The folder, made when the first store is mounted."""
        if not self._root:
            self._root = os.path.realpath(tempfile.mkdtemp(prefix=leftovers.PREFIX))
            atexit.register(shutil.rmtree, self._root, ignore_errors=True)
            leftovers.hold(self._root)
            leftovers.sweep(os.path.dirname(self._root))  # noqa: PTH120
            places.looks_elsewhere(self.fill)
        return self._root

    def renew(self) -> None:
        """Have whatever is looked at from now on be asked for anew; not while somebody looks.

        What is listed whenever somebody says so stays as it is.
        """
        with self._lock:
            for mount in self._mounts:
                if mount.whole:
                    continue
                mount.store.forget()
                mount.forget()
                for one in os.scandir(mount.folder):
                    if one.is_dir(follow_symlinks=False):
                        shutil.rmtree(one.path, ignore_errors=True)
                    else:
                        os.unlink(one.path)  # noqa: PTH108
                own = f"{mount.folder}/"
                self._marks = {at: m for at, m in self._marks.items() if not at.startswith(own)}

    def mount(
        self, store: Store, *, prefix: str, suffix: str = "", lead: str = "", query: str = ""
    ) -> Mount:
        """A store, mounted once; what is told of it is as in :class:`Mount`."""
        with self._lock:
            for mount in self._mounts:
                told = (mount.prefix, mount.suffix, mount.lead, mount.query)
                if told == (prefix, suffix, lead, query):
                    return mount
            folder = f"{self._made()}/{store.protocol}"
            if suffix or query or prefix != f"{store.protocol}://":
                told_by = hashlib.blake2b(f"{prefix} {query} {suffix}".encode(), digest_size=6)
                folder += f"-{told_by.hexdigest()}"
                last = PurePosixPath(suffix.partition("?")[0]).name
                folder += f"/{last}" if last and len(os.fsencode(last)) <= LONGEST_NAME else ""
            Path(folder).mkdir(parents=True, exist_ok=True)
            mount = Mount(store, folder, prefix, suffix, lead, query)
            self._mounts.append(mount)
            self._mounts.sort(key=lambda one: -len(one.folder))
            return mount

    def of(self, place: str) -> tuple[Mount, str] | None:
        """The store that a place in the mirror is of, and the path in it."""
        if not self._root or not place.startswith(self._root):
            return None
        for mount in self._mounts:
            if place == mount.folder:
                return mount, ""
            if place.startswith(f"{mount.folder}/"):
                return mount, place[len(mount.folder) + 1 :]
        return None

    def mark(self, place: str) -> bytes:
        """What tells the version of a file from others; b"" where nothing does."""
        return self._marks.get(place, b"")

    def trouble(self, place: str) -> OSError | None:
        """Why a place cannot be looked at."""
        found = self.of(place)
        return None if found is None else found[0].trouble.get(found[1])

    def fill(self, folder: str | os.PathLike[str]) -> None:
        """Make what lies in a folder, once; nothing where it is not there."""
        found = self.of(os.path.normpath(os.fspath(folder)))
        if found is None:
            return
        mount, below = found
        with self._lock:
            if below in mount.filled or mount.is_whole(below) or mount.lacks(below):
                return
            mount.filled.add(below)
            listed = mount.is_listable(below) and self._list(mount, below)
            if not listed or (mount.store.is_http and not mount.is_inside(below)):
                own = f"{below}/" if below else ""
                met = mount.trouble.get(below)
                for name in sorted(mount.named):
                    if not name.startswith(own) or name == below:
                        continue
                    if met is None or isinstance(met, PermissionError):
                        self._probe(mount, own + name[len(own) :].partition("/")[0])
                    else:
                        mount.trouble[name] = met

    def look(self, place: str) -> None:
        """Make what lies beside a file; nothing where somebody told what the file is."""
        found = self.of(place)
        if found is not None and found[1] not in found[0].given:
            self.fill(os.path.dirname(place))  # noqa: PTH120

    def give(self, place: str, nbytes: int, mark: bytes, modified_ns: int) -> None:
        """Make a file as somebody has seen it, without a look into its folder.

        Args:
            place: of the file.
            nbytes: its size.
            mark: what tells its version.
            modified_ns: when it was written, in nanoseconds since 1970.
        """
        found = self.of(place)
        if found is None:
            return
        mount, below = found
        with self._lock:
            if self._marks.get(place) == mark and nbytes_of(place) == nbytes:
                return
            with contextlib.suppress(OSError):
                os.unlink(place)  # noqa: PTH108
            self._make_one(mount, below, Entry(below, False, nbytes, mark, modified_ns))  # noqa: FBT003
            mount.given.add(below)

    def relist(self, place: str) -> bool:
        """Have a folder, with all below it, be what its store says now; it is listed no more else.

        Returns:
            Whether anything is otherwise than it was.

        Raises:
            FileNotFoundError: it is not there.
            NotADirectoryError: it is a file.
            OSError: it cannot be listed; all stays as it was.
        """
        found = self.of(place)
        if found is None:
            return False
        mount, below = found
        try:
            entries = mount.store.below(mount.at(below))
        except FileNotFoundError:
            with self._lock:
                mount.whole.add(below)
                self._reconcile(mount, below, {})
            shutil.rmtree(place, ignore_errors=True)
            raise
        with self._lock:
            mount.whole.add(below)
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
            return self._reconcile(mount, below, entries)

    def relist_beside(self, place: str) -> bool:
        """Have what was looked into outside of a folder be what its store says now.

        Returns:
            Whether anything is otherwise than it was.

        Raises:
            OSError: it cannot be listed.
        """
        found = self.of(place)
        if found is None or found[0].store.is_http:  # a web server is asked for each file there
            return False
        mount, changed = found[0], False
        for below in sorted(mount.filled):
            if mount.is_listable(below) and not mount.is_whole(below):
                with contextlib.suppress(FileNotFoundError):
                    entries = {one.name: one for one in mount.store.listed_anew(mount.at(below))}
                    with self._lock:
                        changed |= self._reconcile(mount, below, entries, deep=False)
        return changed

    def ask_anew(self, place: str) -> None:
        """Have a file be what its store says now, without a look into its folder.

        Raises:
            OSError: it cannot be asked for.
        """
        found = self.of(place)
        if found is None:
            return
        mount, below = found
        folder = below.rpartition("/")[0]
        try:
            entry = mount.store.described(mount.at(below), fresh=True)
        except FileNotFoundError:
            entry = None
        with self._lock:
            mount.filled.add(folder)
            if entry is None or entry.is_folder:
                self._drop(mount, below)
            elif not is_as_told(place, entry, self.mark(place)):
                self._make_one(mount, below, entry, replaces=True)

    def _reconcile(
        self, mount: Mount, below: str, found: Mapping[str, Entry], *, deep: bool = True
    ) -> bool:
        """Files that are gone go, new ones come, and those that changed become other files."""
        changed = False
        root = f"{mount.folder}/{below}" if below else mount.folder
        own = f"{below}/" if below else ""
        names = {name: one for name, one in found.items() if all(map(fits, name.split("/")))}
        for name in gone(root, names, deep=deep):
            self._drop(mount, own + name)
            changed = True
        for name, entry in sorted(names.items()):
            place = f"{root}/{name}"
            mount.trouble.pop(own + name, None)
            if entry.is_folder or not is_as_told(place, entry, self._marks.get(place, b"")):
                self._make_one(mount, own + name, entry, replaces=True)
                changed |= not entry.is_folder
        return changed

    def _drop(self, mount: Mount, below: str) -> None:
        place = f"{mount.folder}/{below}"
        with contextlib.suppress(OSError):
            os.unlink(place)  # noqa: PTH108
        self._marks.pop(place, None)
        mount.given.discard(below)

    def forget(self, place: str) -> None:
        """Have a file, which was written or removed there, asked for anew."""
        found = self.of(place)
        if found is None:
            return
        mount, below = found
        with self._lock:
            with contextlib.suppress(OSError):
                os.unlink(place)  # noqa: PTH108
            self._marks.pop(place, None)
            mount.trouble.pop(below, None)
            mount.filled.discard(below.rpartition("/")[0])

    def named(self, mount: Mount, below: str, *, is_folder: bool) -> None:
        """Told that the user names a path; what was skimmed there is looked into anew."""
        with self._lock:
            if below and below not in mount.named:
                mount.named.add(below)
                above = below.rpartition("/")[0]
                if not mount.is_listable(above):  # only what is named is looked for there
                    mount.filled.discard(above)
            if is_folder or not below:
                mount.folders.add(below)
            for one in sorted(mount.skimmed):
                if one == below.rpartition("/")[0] or f"{one}/".startswith(f"{below}/"):
                    shutil.rmtree(f"{mount.folder}/{one}", ignore_errors=True)
                    mount.skimmed.discard(one)
                    gone = {at for at in mount.filled if f"{at}/".startswith(f"{one}/")}
                    mount.filled -= gone

    def _list(self, mount: Mount, below: str) -> bool:
        """Whether a folder could be listed; one that is not there could."""
        try:
            entries = mount.store.listed(mount.at(below))
        except FileNotFoundError:
            return True
        except OSError as error:
            if not mount.store.is_http or mount.is_inside(below):  # what lies beside is a bonus
                mount.trouble[below] = error
            return False
        place = f"{mount.folder}/{below}" if below else mount.folder
        mount.listed.add(below)
        if not entries or os.path.isfile(place):  # noqa: PTH113
            return True
        os.makedirs(place, exist_ok=True)  # noqa: PTH103
        self._make(mount, below, entries)
        return True

    def _make(self, mount: Mount, below: str, entries: Iterable[Entry]) -> None:
        own = f"{below}/" if below else ""
        known = [one for one in entries if fits(one.name)]
        unsized = [one for one in known if not one.is_folder and one.nbytes < 0]
        if unsized and mount.is_beside(below):  # counted by their names, and not read
            mount.skimmed.add(below)
            known = [
                one if one.is_folder or one.nbytes >= 0 else replace(one, nbytes=0)
                for one in known
                if own + one.name not in mount.named
            ]
        elif unsized:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda one: self._probe(mount, own + one.name), unsized))
        for one in known:
            if one.is_folder or one.nbytes >= 0:
                self._make_one(mount, own + one.name, one)

    def _probe(self, mount: Mount, below: str) -> None:
        """Ask for a file or a folder by its name alone."""
        if mount.store.is_http and (
            below in mount.folders or any(one.startswith(f"{below}/") for one in mount.named)
        ):
            os.makedirs(f"{mount.folder}/{below}", exist_ok=True)  # noqa: PTH103
            return
        try:
            entry = mount.store.described(mount.at(below), may_be_folder=below in mount.named)
        except FileNotFoundError:
            if any(one.startswith(f"{below}/") for one in mount.named):
                os.makedirs(f"{mount.folder}/{below}", exist_ok=True)  # noqa: PTH103
            return
        except OSError as error:
            mount.trouble[below] = error
            return
        if not entry.is_folder and entry.nbytes < 0:
            mount.trouble[below] = OSError(errno.EIO, "the server does not tell its size")
            return
        if entry.is_folder and mount.store.is_http:
            mount.folders.add(below)
            mount.filled.discard(below)
        self._make_one(mount, below, entry)

    def _make_one(self, mount: Mount, below: str, entry: Entry, *, replaces: bool = False) -> None:
        place = f"{mount.folder}/{below}"
        if below in mount.given:  # what the store says now counts
            mount.given.discard(below)
            os.unlink(place)  # noqa: PTH108
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            if entry.is_folder:  # an object may have the name of a folder
                os.makedirs(place, exist_ok=True)  # noqa: PTH103
                return
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
            made = f"{self._root}/{_MADE}" if replaces else place
            try:
                make_file(made, entry)
            except FileExistsError:
                raise
            except OSError as error:
                mount.trouble[below] = error
            else:
                if replaces and not os.path.isdir(place):  # noqa: PTH112
                    os.replace(made, place)  # noqa: PTH105  (another inode: the file is another)
                self._marks[place] = entry.mark


mirror = Mirror()
"""That of this process."""
