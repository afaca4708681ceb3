"""Logs in the folders that trackers make: TensorBoard, Lightning, W&B, MLflow, MMEngine.

Each keeps a folder a training, so that what lies in one place may be of several.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.natural import natural_key
from ckptdoctor.places import looks_into
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["TRACKERS", "Found", "Takes", "Tracker", "nested_logs"]

_MOST_FOLDERS = 200
_MOST_FILES = 1000
_EVENTS = "events.out.tfevents.*"


class Takes(enum.Enum):
    """Whose logs are taken where several trainings lie in one place and none has the run's name."""

    NONE = enum.auto()
    LAST = enum.auto()
    """Their names count up: the last one is what wrote the checkpoints."""
    ALL = enum.auto()
    """Each goes on from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """A folder that a tracker makes beside checkpoints.

    Attributes:
        folder: that of a training, with wildcards.
        files: patterns of the names of its logs.
        what: made it.
        takes: whose logs, of several trainings.
        depth: of folders within that of a training in which logs lie as well.
    """

    folder: str
    files: tuple[str, ...]
    what: str
    takes: Takes = Takes.NONE
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A log, and what it is called.

    Attributes:
        path: of the log.
        label: its name without suffixes; or the folder of its training, which may name a run.
    """

    path: Path
    label: str


TRACKERS: tuple[Tracker, ...] = (
    Tracker(
        folder="*/vis_data",
        files=("scalars.json",),
        what="MMEngine",
        takes=Takes.ALL,
    ),
    *(
        Tracker(
            folder=f"{name}/version_*",
            files=(_EVENTS, "metrics.csv"),
            what="Lightning",
            takes=Takes.LAST,
        )
        for name in ("lightning_logs", "tb_logs", "csv_logs", "logs")
    ),
    *(
        Tracker(folder=name, files=(_EVENTS,), what="TensorBoard")
        for name in ("tb", "tensorboard", "tb_logs", "tf_logs", "runs", "events", "summaries")
    ),
    *(
        Tracker(folder=f"{name}/*", files=(_EVENTS,), what="TensorBoard", depth=1)
        for name in ("runs", "tb", "tensorboard")
    ),
    *(
        Tracker(
            folder=f"wandb/{name}/files",
            files=("output.log", "wandb-summary.json"),
            what="Weights & Biases",
            takes=Takes.LAST,
        )
        for name in ("latest-run", "offline-run-*", "run-*")
    ),
    Tracker(folder="mlruns/*/*/metrics", files=("*",), what="MLflow", depth=2),
)


def nested_logs(
    folder: Path, names: Sequence[str], is_own: Callable[[str], bool] | None = None
) -> list[Found]:
    """The logs of trackers in a folder: of each tracker those of one training.

    Args:
        folder: that may hold their folders.
        names: of the folders in it.
        is_own: whether the name of a training's folder names the run that is asked for.
    """
    found: list[Found] = []
    done: set[str] = set()
    for tracker in TRACKERS:
        if tracker.what in done:  # two names of one place, such as W&B's link to the latest run
            continue
        trainings = [one for one in _trainings(tracker, folder, names) if one]
        own = [one for one in trainings if is_own is not None and is_own(one[0].label)]
        if len(trainings) > 1 and not own:
            own = {
                Takes.NONE: [],
                Takes.LAST: trainings[-1:],
                Takes.ALL: trainings,
            }[tracker.takes]
        found += [log for one in own or trainings[: len(trainings) == 1] for log in one]
        if trainings:
            done.add(tracker.what)
    return found


def _trainings(tracker: Tracker, folder: Path, names: Sequence[str]) -> Iterator[list[Found]]:
    """The logs of each training, in the order in which people count trainings."""
    first, *below = tracker.folder.split("/")
    places = [folder / name for name in _matching_names(names, first)]
    for part in below:
        places = [inside for place in places for inside in _matching(place, part)]
    for place in places:
        if _has_checkpoints(place):
            continue  # a run of its own
        label = "/".join(place.relative_to(folder).parts)
        yield [Found(path=path, label=label) for path in _files(place, tracker, tracker.depth)]


def _matching(place: Path, pattern: str) -> list[Path]:
    if "*" not in pattern:
        return [place / pattern] if _is_folder(place / pattern) else []
    return [place / name for name in _matching_names(_listed(place)[1], pattern)]


def _has_checkpoints(place: Path) -> bool:
    return _is_folder(place / "checkpoints")


def _is_folder(path: Path) -> bool:
    """Whether there is such a folder; False where it lies in one that we may not look into."""
    try:
        looks_into(path)
        return path.is_dir()
    except OSError:
        return False


def _files(place: Path, tracker: Tracker, depth: int) -> Iterator[Path]:
    files, folders = _listed(place)
    for name in _sorted(files):
        if not any(fnmatchcase(name, pattern) for pattern in tracker.files):
            continue
        if tracker.files != ("*",) or name == "epoch" or is_watched(name):
            yield place / name
    for name in folders if depth else ():
        yield from _files(place / name, tracker, depth - 1)


def _listed(place: Path) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders in a folder; some of very many."""
    files: list[str] = []
    folders: list[str] = []
    looks_into(place)
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                into = folders if entry.is_dir() else files
                into.append(entry.name)
                if len(files) > _MOST_FILES:
                    break
    except OSError:
        pass
    return files, folders


def _matching_names(names: Iterable[str], pattern: str) -> list[str]:
    return _sorted(name for name in names if fnmatchcase(name, pattern))


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: natural_key(Path(name)))[-_MOST_FOLDERS:]
