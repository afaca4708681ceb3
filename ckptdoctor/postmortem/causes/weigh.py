"""All causes, each weighed by what the tensors say, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ckptdoctor.postmortem.causes.seen import Scene, Seen
from ckptdoctor.postmortem.causes.suspicion import KIND_OF, Kind, Suspicion
from ckptdoctor.postmortem.causes.tensors import of_first_tensor
from ckptdoctor.postmortem.causes.whole import of_all_tensors
from ckptdoctor.postmortem.causes.witnesses import witnesses
from ckptdoctor.recovery.causes.cause import Cause, CauseKind

__all__ = ["weighed"]

_SAME = {Kind.BAD_STEP: Kind.BATCH}
"""What is told once: a batch whose gradients are not finite is a bad step."""


def weighed(told: Iterable[Cause], scene: Scene) -> list[Suspicion]:
    """The causes, the likeliest first; what is known to be unlikely comes last.

    Args:
        told: by rates, losses, settings and files.
        scene: what is known of the tensors.
    """
    given = list(told)
    known = [_of(cause) for cause in given if cause.kind is not CauseKind.UNKNOWN]
    seen = _place_of(scene)
    if seen is not None:
        found = [*of_first_tensor(seen), *of_all_tensors(seen)]
        known = _merged(known, found)
        for witness in witnesses(seen):
            known = [one.heard(witness) for one in known]
    known = [one for one in known if one.reasons or one.against]
    if all(one.is_unlikely for one in known):
        known += [_of(cause) for cause in given if cause.kind is CauseKind.UNKNOWN]
    return sorted(known, key=lambda one: (one.is_unlikely, -one.score))


def _place_of(scene: Scene) -> Seen | None:
    """Where it went wrong: at the first departure, else where the metric or the files tell so."""
    course, first = scene.figures.course, scene.onset.first
    if first is not None:
        return Seen(scene, first.place)
    began = None if scene.evidence is None else scene.evidence.trouble.began
    if began is None:
        return None
    for place, moment in enumerate(course.moments):
        if moment.at is not None and moment.at >= began:
            return Seen(scene, place) if place else None
    return None


def _of(cause: Cause) -> Suspicion:
    return Suspicion(
        kind=KIND_OF[cause.kind],
        title=cause.kind.value,
        score=float(cause.sure),
        reasons=cause.evidence,
        todo=cause.todo,
    )


def _merged(known: Sequence[Suspicion], found: Iterable[Suspicion]) -> list[Suspicion]:
    """One of each sort: two that tell of the same are one with the reasons of both."""
    merged = list(known)
    for new in found:
        kinds = {new.kind, _SAME.get(new.kind, new.kind)}
        at = next((at for at, one in enumerate(merged) if one.kind in kinds), None)
        if at is None or new.kind is Kind.OTHER:
            merged.append(new)
            continue
        old = merged[at]
        main = new if new.score > old.score else old
        merged[at] = replace(
            main,
            reasons=tuple(dict.fromkeys((*main.reasons, *old.reasons, *new.reasons))),
            todo=tuple(dict.fromkeys((*main.todo, *old.todo, *new.todo))),
        )
    return merged
