"""Which checkpoint to restore from: the one asked for if it is sound, or why it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.metadata import count_text
from ckptdoctor.report import Place, Report
from ckptdoctor.shell import command_line

__all__ = ["choose", "clean_name"]

_MOST_ALTERNATIVES = 3
_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".jit")


def clean_name(source: Path, suffix: str = "") -> Path:
    """Where a restored checkpoint goes by default: beside its source."""
    suffix = suffix or (source.suffix if source.suffix in _SUFFIXES else ".pth")
    return source.with_name(f"best_model_clean{suffix}")


def choose(report: Report, *, epoch: int | None, destination: Path | None) -> Place:
    """The best place of the ranking, or the best of an epoch.

    Args:
        report: ranked.
        epoch: the epoch wanted; None for the best of all.
        destination: never a source of itself.

    Raises:
        RestoreError: there is no sound checkpoint of that epoch, or none at all; the message names
            the nearest, with the command for each.
    """
    places = [
        place
        for place in report.ranking
        if not _is(place.report.path, destination or clean_name(place.report.path))
    ]
    wanted = places if epoch is None else [p for p in places if _epoch(p) == epoch]
    usable = [place for place in wanted if place.usable]
    if usable:
        return usable[0]
    written = [p for p in report.ranking if p.usable and p not in places]
    if epoch is None and written:
        raise RestoreError(f"{written[0].report.path} is the best there is: resume from it")
    if epoch is None:
        raise RestoreError("no checkpoint here is fit to go on from", *_reasons(places))
    nearest = sorted(
        (place for place in places if place.usable and _epoch(place) is not None),
        key=lambda place: (abs((_epoch(place) or 0) - epoch), _epoch(place) or 0),
    )
    what = (
        f"no checkpoint of epoch {epoch} is sound"
        if wanted
        else f"there is no checkpoint of epoch {epoch}"
    )
    raise RestoreError(what, *_reasons(wanted), *_alternatives(nearest[:_MOST_ALTERNATIVES]))


def _is(path: Path, other: Path) -> bool:
    return path.absolute() == other.absolute()


def _epoch(place: Place) -> int | float | None:
    data = place.report.metadata
    return data.epoch if data.epoch is not None else data.name_epoch


def _reasons(places: Sequence[Place]) -> list[str]:
    return [f"  {place.report.path}: {place.reason}" for place in places[:5]]


def _alternatives(places: Sequence[Place]) -> list[str]:
    """The nearest, and below each the command that takes it."""
    if not places:
        return ["and no other checkpoint here is: look into an earlier run"]
    lines = ["The nearest that are:"]
    for place in places:
        path = place.report.path
        epoch = count_text(_epoch(place) or 0)
        lines.append(f"  epoch {epoch}, {path.name}: {place.reason}")
        lines.append("    " + command_line("ckptdoctor", "restore", "--from", path))
    return lines
