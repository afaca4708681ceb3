"""What all tensors together say of the cause: one bad step, weights replaced, other inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ckptdoctor.postmortem.causes.seen import Seen
from ckptdoctor.postmortem.causes.suspicion import Kind, Suspicion
from ckptdoctor.postmortem.order import share_of_all
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.words import figure_at, many

__all__ = ["of_all_tensors"]

_MOST = 0.6
_REPLACED, _NO_LARGER = 0.9, 1.1
_STATISTICS = ("running_mean", "running_var")


def of_all_tensors(seen: Seen) -> Iterator[Suspicion]:
    """What they speak for."""
    for judge in _JUDGES:
        yield from judge(seen)


def _bad_step(seen: Seen) -> Iterator[Suspicion]:
    """All weights, and what the optimizer keeps of them, turn to NaN within one interval."""
    bad = {one.name for one in seen.here if one.trait is Trait.NON_FINITE}
    count = sum(name in bad for name in seen.parameters)
    if seen.onset.stands_out or not count:
        return
    reasons = [f"{count} of {len(seen.parameters)} parameters turned to NaN or Inf by {seen.where}"]
    score, states = 1.5, seen.states
    if states is not None:
        kept = (
            seen.course.series[states].keys() | seen.course.series.get(Trait.BAD_STATE, {}).keys()
        )
        turned = {one.name for one in seen.here if one.trait is Trait.BAD_STATE}
        if len(turned) >= _MOST * len(kept):
            score += 0.75
            reasons.append(
                f"with the optimizer's states of {len(turned)} of {len(kept)} tensors, as a step "
                "with gradients that are not finite leaves both"
            )
    yield Suspicion(
        kind=Kind.BAD_STEP,
        title="a loss or gradient that was not finite reached the optimizer, and nothing stopped "
        "the step",
        score=score,
        reasons=tuple(reasons),
        todo=(
            "guard.step(loss) of ckptdoctor.guard, in place of optimizer.step(), drops such a step",
            (
                f"look at batches and loss between {seen.before} and {seen.where}: which of them "
                "was the first that was not finite is not in the files"
            ),
        ),
    )


def _replaced(seen: Seen) -> Iterator[Suspicion]:
    """Weights that are others at once, and not by steps of the optimizer."""
    first = seen.first
    if first is None or first.is_buffer or not seen.onset.stands_out or seen.place == 0:
        return
    reach = seen.reach(first.name)
    moved = figure_at(seen.course, first.name, Trait.MOVED, seen.place)
    norms = seen.course.series.get(Trait.NORM, {}).get(first.name)
    if norms is None or not norms[seen.place - 1] > 0.0:
        return
    size = norms[seen.place] / norms[seen.place - 1]
    is_other = moved >= _REPLACED and size <= _NO_LARGER and seen.state_times(first.name) < 2.0
    if not is_other and (reach is None or not reach.is_beyond):
        return
    what = first.module
    if len(seen.at_once) > 1:
        what = f"{len(seen.at_once)} of {seen.modules} modules"
    yield Suspicion(
        kind=Kind.REPLACED,
        title=f"{what}: weights were reset, loaded or changed by something other than the steps",
        score=2.0 if is_other else 1.0,
        reasons=(
            (
                f"{first.name} moved by {many(moved)} of its norm between {seen.before} and "
                f"{seen.where}, and has {size:.3g} times the norm"
            ),
        ),
        todo=(
            (
                "look for what resets, loads or writes weights there: reset_parameters, "
                "load_state_dict with strict=False, an average or noise that is copied in"
            ),
        ),
    )


def _inputs(seen: Seen) -> Iterator[Suspicion]:
    """Running statistics left their past, and no weight did."""
    own = [one for one in seen.here if one.name.endswith(_STATISTICS) and not one.stands_still]
    if not own or any(not one.is_buffer for one in seen.here):
        return
    if any(one.trait is Trait.NON_FINITE for one in own):
        return
    moved = seen.middle(Trait.MOVED, seen.place)
    beside = "" if moved is None else f"; the median weight moved {many(moved)} times what is usual"
    yield Suspicion(
        kind=Kind.INPUTS,
        title="what the norms were given changed: other data, or activations that grow",
        score=1.5,
        reasons=(
            (
                f"at {seen.where} running statistics of {len(seen.at_once)} norms left their past, "
                f"and no weight did{beside}"
            ),
        ),
        todo=("compare data, their scaling and their order of before and after",),
    )


def _one_file(seen: Seen) -> Iterator[Suspicion]:
    """All that is not finite lies in one file of several."""
    files = seen.scene.files
    bad = [one.name for one in seen.here if one.trait is Trait.NON_FINITE and one.name in files]
    holders = {files[name] for name in bad}
    if len(holders) != 1 or len(bad) < 2:
        return
    holder = holders.pop()
    weights = [name for name in seen.parameters if name in files]
    inside = sum(files[name] == holder for name in weights)
    if len({files[name] for name in weights}) < 2 or inside > _MOST * len(weights):
        return
    share = sum(name in bad for name in weights)
    yield Suspicion(
        kind=Kind.FILE,
        title=f"{holder} alone was written with NaN or Inf, as by one rank or one device",
        score=2.0,
        reasons=(
            (
                f"at {seen.where} all {share} parameters that are not finite lie in {holder}, "
                f"which has {inside} of {len(weights)}; those of the other files are finite"
            ),
        ),
        todo=(
            (
                "take that part from the checkpoint before; look at the rank that wrote it, and at "
                "the memory of its device"
            ),
        ),
    )


def _average(seen: Seen) -> Iterator[Suspicion]:
    """The average alone is not finite."""
    bad = [one.name for one in seen.here if one.trait is Trait.BAD_AVERAGE]
    if not bad or any(one.trait is Trait.NON_FINITE for one in seen.here):
        return
    yield Suspicion(
        kind=Kind.AVERAGE,
        title="the average (EMA) was poisoned, and the weights were not",
        score=3.0,
        reasons=(
            (
                f"at {seen.where} {len(bad)} tensors have NaN or Inf in their average, {bad[0]} "
                "first by name; the weights of that checkpoint are finite"
            ),
        ),
        todo=(
            (
                "go on from the weights and start the average anew; update it only where the new "
                "weights are finite"
            ),
        ),
    )


def _rate_followed(seen: Seen) -> Iterator[Suspicion]:
    """A rate for all, considered wherever much went wrong; witnesses say how likely it is."""
    is_broad = share_of_all(seen.course, seen.here) >= _MOST or seen.all_follow_the_rate
    if seen.evidence is None and not is_broad:
        return
    yield Suspicion(
        kind=Kind.RATE,
        title="learning rate too high",
        score=1.0,
        todo=("go on with a lower one: option A below",),
    )


_JUDGES: tuple[Callable[[Seen], Iterator[Suspicion]], ...] = (
    _bad_step,
    _replaced,
    _inputs,
    _one_file,
    _average,
    _rate_followed,
)
