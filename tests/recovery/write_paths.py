"""The ways on which a checkpoint is written, struck at a call, and what is wrong afterwards."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.builders import save, training_checkpoint
from tests.recovery.strikes import Fault, Striker, Struck, digest, leftovers

__all__ = ["WRITE_PATHS", "Aftermath", "WritePath", "strike", "strike_all"]

REFUSED = 4
SOURCE = "checkpoint_epoch_88.pth"
OLD = b"what was there before"
_AGAIN_EVERY = 6  # after every sixth strike the same is done once more, undisturbed


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePath:
    """One way of writing a checkpoint.

    Attributes:
        name: in words.
        options: of ``restore``; None for ``safe_save``.
        replaces: whether a file is there before.
        target: the file that is written.
    """

    name: str
    options: tuple[str, ...] | None
    replaces: bool
    target: str = "best_model_clean.pth"

    @property
    def may_refuse(self) -> bool:
        """Whether it can be done twice without ``--force``."""
        return self.options is not None and not self.replaces

    def prepare(self, folder: Path) -> None:
        """Make the folder as it is before."""
        folder.mkdir(parents=True)
        (folder / SOURCE).write_bytes(source_bytes())
        if self.replaces:
            old = _saved_before() if self.options is None else OLD
            (folder / self.target).write_bytes(old)
        if self.replaces and self.options is not None:
            (folder / f"{self.target}.json").write_text(_old_manifest())

    def command(self, folder: Path, *more: str) -> list[str]:
        """What is run."""
        target = str(folder / self.target)
        if self.options is None:
            return ["save", target, "2"]
        source = ["--from", str(folder / SOURCE), "-o", target]
        return ["restore", *source, "--jobs", "1", *self.options, *more]


_TO = ("--to", "safetensors")
_EDIT = ("--scale-lr", "0.75")
WRITE_PATHS = {
    path.name: path
    for path in (
        WritePath(name="copy", options=(), replaces=False),
        WritePath(name="copy over another", options=("--force",), replaces=True),
        WritePath(name="edit", options=_EDIT, replaces=False),
        WritePath(name="edit over another", options=(*_EDIT, "--force"), replaces=True),
        WritePath(name="safetensors", options=_TO, replaces=False, target="clean.safetensors"),
        WritePath(
            name="safetensors over another",
            options=(*_TO, "--force"),
            replaces=True,
            target="clean.safetensors",
        ),
        WritePath(name="safe_save", options=None, replaces=False, target="last.pth"),
        WritePath(name="safe_save over another", options=None, replaces=True, target="last.pth"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What one strike left.

    Attributes:
        at: the call that was struck, from 1.
        call: its name.
        source_whole: whether the source is what it was.
        target: "old", "new", or what is wrong with it.
        leftovers: how many temporary files lie there.
        wrong: what is wrong, "" where nothing is.
        told: whether an error was told, with its reason.
    """

    at: int
    call: str
    source_whole: bool
    target: str
    leftovers: int
    wrong: str
    told: bool


def _old_manifest() -> str:
    """The note beside the old file."""
    sha256 = hashlib.sha256(OLD).hexdigest()
    tool = {"name": "ckptdoctor", "version": "0"}
    return json.dumps({"schema_version": 1, "tool": tool, "file": {"sha256": sha256}})


@functools.cache
def source_bytes() -> bytes:
    """The checkpoint to restore from, made once: two threads would share torch's random numbers."""
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder, "a.pth"), training_checkpoint()).read_bytes()


@functools.cache
def _striker(kind: str) -> Striker:
    """A warm program for each kind of write path; it ends with the tests."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a.pth")
        path.write_bytes(source_bytes())
        warm = ["save", str(path), "1"]
        if kind == "restore":
            target = str(path.with_name("x.safetensors"))
            warm = ["restore", "--from", str(path), "-o", target, "--jobs", "1", *_EDIT, *_TO]
        return Striker(warm)


def _striker_of(path: WritePath) -> Striker:
    return _striker("safe_save" if path.options is None else "restore")


@functools.cache
def _saved_before() -> bytes:
    """What ``safe_save`` wrote for epoch 1."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a.pth")
        done = _striker("safe_save").run(["save", str(path), "1"], Path(place))
        assert done.code == 0, done.said
        return path.read_bytes()


@functools.cache
def calls_of(name: str, *, reads: bool = False) -> tuple[str, ...]:
    """The calls of an undisturbed run."""
    return _undisturbed(name, Fault.EIO_ON_READ if reads else Fault.SIGKILL)[0].calls


@functools.cache
def _undisturbed(name: str, fault: Fault = Fault.SIGKILL) -> tuple[Struck, str]:
    """How it ends, and the digest of what is written then."""
    path = WRITE_PATHS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        path.prepare(folder)
        done = _striker_of(path).run(path.command(folder), folder, 0, fault)
        assert done.code == 0, done.said
        return done, digest(folder / path.target)


def strike(name: str, at: int, fault: Fault) -> Aftermath:
    """Strike one call, and look at what is left."""
    path = WRITE_PATHS[name]
    calls = calls_of(name, reads=fault.reads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        path.prepare(folder)
        before = digest(folder / SOURCE)
        done = _striker_of(path).run(path.command(folder), folder, at, fault)
        left = leftovers(folder)
        source_whole = digest(folder / SOURCE) == before
        target = _target(path, folder)
        wrong = _wrong(path, folder, done, fault, target, left)
        if not source_whole:
            wrong = "the source changed"
        if not wrong and at % _AGAIN_EVERY == 0:
            wrong = _again(path, folder)
        return Aftermath(
            at=at,
            call=calls[at - 1],
            source_whole=source_whole,
            target=target,
            leftovers=len(left),
            wrong=f"{at} ({calls[at - 1]}): {wrong} [{done.code}] {done.said}" if wrong else "",
            told=done.code == REFUSED and _reason_told(done, fault),
        )


def _target(path: WritePath, folder: Path) -> str:
    """Whether the file under the final name is the old one, the new one, or neither."""
    target = folder / path.target
    found = target.read_bytes() if target.exists() else None
    old = (_saved_before() if path.options is None else OLD) if path.replaces else None
    if found == old:
        return "old"
    new = found is not None and digest(target) == _undisturbed(path.name)[1]
    return "new" if new else "neither old nor new"


def _wrong(
    path: WritePath, folder: Path, done: Struck, fault: Fault, target: str, left: list[Path]
) -> str:
    """What is wrong, but for the source; "" where nothing is."""
    if target not in ("old", "new"):
        return target
    known = {SOURCE, path.target, f"{path.target}.json", *(one.name for one in left)}
    strange = {one.name for one in folder.iterdir()} - known
    if strange:
        return f"{strange} are nobody's"
    if wrong := _wrong_manifest(path, folder):
        return wrong
    if done.code < 0:  # a call that another thread, or nobody, waits for
        return "" if fault.kills and done.code == -9 else "died"
    if fault.kills:
        return "not killed"
    if done.code not in (0, REFUSED) or "Traceback" in done.said:
        return "neither done nor refused"
    untold = [one.name for one in left if one.name not in done.said]
    if untold:
        return f"{untold} is left, and nobody says so"
    return _wrong_words(done, fault, target)


def _wrong_words(done: Struck, fault: Fault, target: str) -> str:
    if done.code == 0 and target == "old":
        return "said to be done, and it is not"
    if done.code == REFUSED and not _reason_told(done, fault):
        return "refused, and the reason is lost"
    new = "whole" in done.said
    if done.code == REFUSED and new != (target == "new"):
        return f"the target is {target}, and the words are others"
    return ""


def _reason_told(done: Struck, fault: Fault) -> bool:
    return bool(fault.reason) and fault.reason.lower() in done.said.lower()


def _wrong_manifest(path: WritePath, folder: Path) -> str:
    """A manifest that speaks of another file than the one that is there accuses it."""
    manifest = folder / f"{path.target}.json"
    if not manifest.exists():
        return ""
    sha256 = json.loads(manifest.read_text())["file"]["sha256"]
    return "" if sha256 == digest(folder / path.target) else "the manifest is of another file"


def _again(path: WritePath, folder: Path) -> str:
    """Done once more, undisturbed, whatever lies there."""
    more = ("--force",) if path.may_refuse else ()
    done = _striker_of(path).run(path.command(folder, *more), folder)
    new = digest(folder / path.target) == _undisturbed(path.name)[1]
    return "" if done.code == 0 and new else f"cannot be done again: {done.said}"


def strike_all(name: str, points: Iterable[int], fault: Fault) -> list[Aftermath]:
    """Strike several calls, one after the other."""
    return [strike(name, at, fault) for at in points]
