"""A folder restored to a folder, struck at a call, and what is wrong afterwards."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.manifest import check_folder
from tests.recovery.folders.builders import digests, trainer_checkpoint
from tests.recovery.strikes import Fault, Striker, Struck, leftovers

__all__ = ["FOLDER_PATHS", "FolderPath", "calls_of", "wrong_after"]

REFUSED = 4
SOURCE, TARGET = "checkpoint-3", "best_model_clean"
OLD = {"model.safetensors": b"what was there before"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPath:
    """One way of restoring a folder.

    Attributes:
        options: of ``restore``.
        old: what is there before: nothing, a copy of ours, or a folder of the user's.
    """

    options: tuple[str, ...] = ()
    old: str = ""

    def prepare(self, folder: Path) -> None:
        """Make the folder as it is before."""
        folder.mkdir(parents=True)
        shutil.copytree(source_folder(), folder / SOURCE)
        if self.old:
            (folder / TARGET).mkdir()
            for name, raw in OLD.items():
                (folder / TARGET / name).write_bytes(raw)
        if self.old == "ours":
            note = {"schema_version": 1, "tool": {"name": "ckptdoctor"}, "file": {"name": TARGET}}
            (folder / f"{TARGET}.json").write_text(json.dumps(note))

    def command(self, folder: Path, *more: str) -> list[str]:
        """What is run."""
        where = ["--from", str(folder / SOURCE), "-o", str(folder / TARGET)]
        return ["restore", *where, "--jobs", "1", *self.options, *more]


_EDIT = ("--scale-lr", "0.75")
FOLDER_PATHS = {
    "new": FolderPath(),
    "edited": FolderPath(options=_EDIT),
    "over a copy of ours": FolderPath(options=(*_EDIT, "--force"), old="ours"),
    "over a folder of the user's": FolderPath(options=("--force",), old="theirs"),
}


@functools.cache
def source_folder() -> Path:
    """The checkpoint to restore from, made once."""
    folder = Path(tempfile.mkdtemp(prefix="ckptdoctor-folder-")) / SOURCE
    return trainer_checkpoint(folder, shards=2).path


@functools.cache
def _striker() -> Striker:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        FOLDER_PATHS["edited"].prepare(folder)
        return Striker(FOLDER_PATHS["edited"].command(folder))


@functools.cache
def _undisturbed(name: str) -> tuple[Struck, dict[str, bytes]]:
    """How it ends, and what is written then."""
    path = FOLDER_PATHS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        path.prepare(folder)
        done = _striker().run(path.command(folder), folder)
        assert done.code == 0, done.said
        return done, digests(folder / TARGET)


def calls_of(name: str) -> tuple[str, ...]:
    """The calls of an undisturbed run."""
    return _undisturbed(name)[0].calls


def wrong_after(name: str, at: int, fault: Fault) -> str:
    """What is wrong once a call was struck; "" where nothing is."""
    path = FOLDER_PATHS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        path.prepare(folder)
        done = _striker().run(path.command(folder), folder, at, fault)
        wrong = _wrong(path, name, folder, done, fault)
        return (
            f"{at} ({calls_of(name)[at - 1]}): {wrong} [{done.code}] {done.said}" if wrong else ""
        )


def _wrong(path: FolderPath, name: str, folder: Path, done: Struck, fault: Fault) -> str:
    if digests(folder / SOURCE) != digests(source_folder()):
        return "the source changed"
    state = _state(path, name, folder)
    if state not in ("old", "new"):
        return state
    if path.old == "theirs" and not _is_kept(folder):
        return "the user's folder is gone"
    if state == "new" and list(check_folder(folder / TARGET)):
        return "the manifest is of another folder"
    if fault.kills:
        return "" if done.code == -9 else "not killed"
    if done.code not in (0, REFUSED) or "Traceback" in done.said:
        return "neither done nor refused"
    untold = [one.name for one in leftovers(folder) if one.name not in done.said]
    if untold:
        return f"{untold} is left, and nobody says so"
    return _wrong_words(done, fault, state)


def _wrong_words(done: Struck, fault: Fault, state: str) -> str:
    if done.code == 0:
        return "said to be done, and it is not" if state == "old" else ""
    if fault.reason.lower() not in done.said.lower():
        return "refused, and the reason is lost"
    if ("whole" in done.said) != (state == "new"):
        return f"the target is {state}, and the words are others"
    return ""


def _state(path: FolderPath, name: str, folder: Path) -> str:
    """Whether the folder under the final name is the old one, the new one, or neither."""
    target = folder / TARGET
    found = digests(target) if target.exists() else None
    if found == (OLD if path.old else None):
        return "old"
    return "new" if found == _undisturbed(name)[1] else "neither old nor new"


def _is_kept(folder: Path) -> bool:
    """Whether what the user had lies somewhere still, under whatever name."""
    return any(digests(one) == OLD for one in folder.iterdir() if one.is_dir())
