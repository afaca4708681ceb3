"""Writing by URL: under a name of its own first, read back, and only then under the final one."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from pathlib import Path

from ckptdoctor.errors import UsageError
from ckptdoctor.sources.entry import Entry
from ckptdoctor.sources.far_path import FarPath
from ckptdoctor.sources.fetching import SEGMENT_NBYTES
from ckptdoctor.sources.mirror import mirror
from ckptdoctor.sources.mount import Mount

__all__ = ["described", "is_same", "remove", "upload", "why_never"]


def _place(path: Path) -> tuple[Mount, str]:
    found = mirror.of(os.fspath(path)) if isinstance(path, FarPath) else None
    if found is None:
        raise UsageError(f"{path} is no URL")
    return found


def why_never(path: Path) -> str:
    """Why nothing can be written by a URL of this kind; "" where it may be tried."""
    mount, below = _place(path)
    if mount.store.is_http:
        return "a web server takes no files"
    if mount.suffix:
        return "a file within another is not written"
    return "" if below else "it names no file"


def described(path: Path) -> Entry | None:
    """What is there now, whatever was listed before; None where nothing is.

    Raises:
        OSError: it cannot be asked for.
    """
    mount, below = _place(path)
    try:
        return mount.store.described(mount.at(below), fresh=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths name the same object of the same store."""
    if not isinstance(one, FarPath) or not isinstance(other, FarPath):
        return False
    (mount, below), (theirs, name) = _place(one), _place(other)
    return mount.store.is_one_with(theirs.store) and mount.at(below) == theirs.at(name)


def remove(path: Path) -> None:
    """Remove a file.

    Raises:
        OSError: it cannot be removed.
    """
    mount, below = _place(path)
    mount.store.remove(mount.at(below))
    mirror.forget(os.fspath(path))


def upload(local: Path, destination: Path, *, replaces: bool) -> str:
    """Copy a file of this machine to a URL, in one step as others see it.

    It is uploaded under a temporary name in the same folder, read back and compared, and copied to
    its own name by the store. Whatever fails before, nothing is under that name that was not.

    Args:
        local: the file.
        destination: the URL.
        replaces: whether what is there may be replaced.

    Returns:
        The temporary name, as a URL, where it could not be removed again; else "".

    Raises:
        FileExistsError: something is there, and ``replaces`` is false. Where the store can refuse
            a copy over something, as S3 does, it is asked to; of others it is asked just before.
        OSError: it cannot be done.
    """
    mount, below = _place(destination)
    folder, slash, _ = below.rpartition("/")
    aside = f"{folder}{slash}.ckptdoctor-{secrets.token_hex(8)}.tmp"
    try:
        _copied(local, mount, mount.at(aside), destination, replaces=replaces)
    except OSError as error:
        if left := _not_removed(mount, aside):
            told = f"{error.strerror}; {left} is left behind and may be deleted"
            raise type(error)(error.errno, told) from error
        raise
    except BaseException:
        _not_removed(mount, aside)
        raise
    finally:
        mirror.forget(os.fspath(destination))
    return _not_removed(mount, aside)


def _copied(local: Path, mount: Mount, passing: str, destination: Path, *, replaces: bool) -> None:
    store, final = mount.store, mount.at(_place(destination)[1])
    store.upload(str(local), passing)
    nbytes, sha256 = local.stat().st_size, _sha256_here(local)
    if _sha256_there(mount, passing, nbytes) != sha256:
        raise OSError(errno.EIO, "what was uploaded reads back otherwise")
    if not replaces and described(destination) is not None:
        raise FileExistsError(errno.EEXIST, "something is there")
    try:
        store.copy(passing, final, replaces=replaces)
    except OSError as error:  # it may be there all the same: by our own first try, or unanswered
        if not _is_there(mount, final, nbytes, sha256, error):
            raise
    there = described(destination)
    if there is None or there.nbytes != nbytes:
        raise OSError(errno.EIO, "the store copied it to its name otherwise")


def _is_there(mount: Mount, path: str, nbytes: int, sha256: str, met: OSError) -> bool:
    """Whether a copy is whole, that met an error.

    Raises:
        OSError: the same, if nobody can tell.
    """
    try:
        return _sha256_there(mount, path, nbytes) == sha256
    except FileNotFoundError:
        return False
    except OSError:
        told = f"{met.strerror}; whether it is there by now, the store does not tell"
        raise type(met)(met.errno, told) from met


def _not_removed(mount: Mount, below: str) -> str:
    try:
        mount.store.remove(mount.at(below))
    except FileNotFoundError:
        return ""
    except OSError:
        return mount.url(below)
    return ""


def _sha256_here(local: Path) -> str:
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_there(mount: Mount, path: str, nbytes: int) -> str:
    """Of a far file of that size; "" where its size is another."""
    if mount.store.described(path, fresh=True).nbytes != nbytes:
        return ""
    digest = hashlib.sha256()
    for start in range(0, nbytes, SEGMENT_NBYTES):
        digest.update(mount.store.read(path, start, min(start + SEGMENT_NBYTES, nbytes)).data)
    return digest.hexdigest()
