"""Which words of a command name a checkpoint of the run, whatever the argument is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ckptdoctor.finding import Verdict
from ckptdoctor.places import named, place_of
from ckptdoctor.report import CheckpointReport

__all__ = ["OwnCheckpoints"]

_BROKEN = (Verdict.CORRUPT, Verdict.UNREADABLE, Verdict.SALVAGEABLE)


class OwnCheckpoints:
    """The checkpoints of a run, by the paths that a command may name them with.

    Args:
        reports: of its checkpoints.
    """

    def __init__(self, reports: Iterable[CheckpointReport] = ()) -> None:
        self._by_place: dict[Path, CheckpointReport] = {}
        self._by_name: dict[str, list[CheckpointReport]] = {}
        for report in reports:
            files = () if report.files is None else report.files.parts
            for path in (report.path, *(part.path for part in files)):
                self._by_place.setdefault(place_of(path), report)
            self._by_name.setdefault(named(report.path).name, []).append(report)

    def find(self, value: str, folders: Sequence[str] = ()) -> CheckpointReport | None:
        """The checkpoint that a value names; None where it names none of the run.

        A path that leads nowhere here, as in a command of another machine, is taken by its end:
        the name of the file, and that of the folder if it has one.

        Args:
            value: of an argument, without quotes.
            folders: where the script may look for a bare name.
        """
        text = value.strip("'\"").rstrip("/")
        if not text or "\0" in text:
            return None
        for path in _readings(text, folders):
            place = place_of(path)
            if place in self._by_place:
                return self._by_place[place]
            if "/" in text and path == Path(text) and path.exists():
                return None  # something else, that is there
        return next((one for one in self._by_name.get(_name(text), ()) if _ends(one, text)), None)

    def is_bare(self, value: str) -> bool:
        """Whether a value is the name of a checkpoint alone, without its folder."""
        text = value.strip("'\"")
        return "/" not in text and text in self._by_name and not Path(text).exists()

    @staticmethod
    def is_broken(report: CheckpointReport) -> bool:
        """Whether nothing should load it as it is."""
        return report.verdict in _BROKEN


def _readings(text: str, folders: Sequence[str]) -> Iterator[Path]:
    path = Path(text)
    yield path
    if not path.is_absolute():
        yield from (Path(folder) / text for folder in folders)


def _name(text: str) -> str:
    return PurePosixPath(text).name


def _ends(report: CheckpointReport, text: str) -> bool:
    """Whether a path that is not here ends as that of the checkpoint does."""
    told, own = PurePosixPath(text).parts, named(report.path).absolute().parts
    return len(told) == 1 or told[-2] == own[-2] or "$" in told[-2]
