"""The learning rates that a file stores: in the optimizer's groups and in the scheduler."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.draft import Draft, number_of
from ckptdoctor.recovery.tree import Place, entries, find, places
from ckptdoctor.shell import command_line

__all__ = ["change_rates", "set_rates"]

_RATES_OF_GROUP = ("lr", "initial_lr", "max_lr", "min_lr")
_RATES_OF_SCHEDULER = ("base_lrs", "_last_lr", "max_lrs")


def _rates(draft: Draft) -> Iterator[Place]:
    """Every stored learning rate."""
    for place in draft.optimizers():
        groups = find(place.node, "param_groups")
        for group in entries(groups.node, (*place.path, "param_groups")) if groups else ():
            for entry in entries(group.node, group.path):
                if entry.path[-1] in _RATES_OF_GROUP:
                    yield entry
    for place in places(draft.saved.root):
        if place.path[-1] in _RATES_OF_SCHEDULER and type(place.node) is list:
            yield from entries(place.node, place.path)


def change_rates(draft: Draft, factor: float) -> None:
    """Multiply every stored rate, those of the schedule too; of a copy those of its original.

    Raises:
        RestoreError: there is none, one is no plain number, or nobody knows the original's.
    """
    scaled = _scaled_before(draft, factor)
    changed: list[tuple[str, float, float]] = []
    seen: set[tuple[int, int]] = set()
    for place in list(_rates(draft)):
        if (id(place.holder), place.index) in seen:  # one list under two names
            continue
        seen.add((id(place.holder), place.index))
        old = number_of(place.node)
        if old is None:
            raise RestoreError(
                f"{draft.checkpoint.path}: {place.fqn} is no plain number and cannot be scaled"
            )
        new = old if factor == scaled else _original(old, scaled) * factor
        place.put(new)
        draft.touched.add(place.fqn)
        changed.append((place.fqn, old, new))
    rates = [row for row in changed if row[0].rpartition(".")[2] == "lr"]
    if not rates:
        raise RestoreError(
            f"{draft.checkpoint.path}: it stores no learning rate (no param_groups with lr); "
            "give the rate to the training script instead"
        )
    _, old, new = max(rates, key=lambda row: row[1])
    said = f"lr {old:.6g} is {new:.6g} now"
    first = [row for row in changed if row[0].endswith("initial_lr")]
    if first:
        _, old, new = max(first, key=lambda row: row[1])
        said += f", the schedule's own {old:.6g} is {new:.6g}"
    what = f"{len(changed)} stored learning rates times {factor:.6g}"
    if draft.copied is not None and scaled != 1.0:
        what = (
            f"{len(changed)} stored learning rates are those of {draft.copied.source.name} times "
            f"{factor:.6g} now; in this copy of it they were times {scaled:.6g}"
        )
    draft.did("scale-lr", f"{what}: {said}", _WINS, factor=factor)


def _scaled_before(draft: Draft, factor: float) -> float:
    """What the stored rates are times already, over those of the original."""
    copied = draft.copied
    if copied is None:
        return 1.0
    if copied.scale is not None:
        return copied.scale
    how = (
        f"--set-lr {copied.set_lr:g}" if copied.set_lr is not None else "a factor that is not told"
    )
    raise RestoreError(
        f"{draft.checkpoint.path} is a copy of {copied.source}, and its learning rate was changed "
        f"by {how}: scale that of the original",
        "  "
        + command_line(
            "ckptdoctor", "restore", "--from", copied.source, "--scale-lr", f"{factor:g}"
        ),
    )


def _original(rate: float, scaled: float) -> float:
    """The rate that times this factor is the one stored, rid of the noise of a division."""
    divided = rate / scaled
    plain = float(f"{divided:.15g}")
    return plain if plain * scaled == rate else divided


_WINS = "the stored rate wins over the --lr of the training script when the optimizer is loaded"


def set_rates(draft: Draft, value: float) -> None:
    """Set the largest current rate; the others keep their proportion to it.

    Raises:
        RestoreError: there is none above 0.
    """
    now = [
        rate
        for place in _rates(draft)
        if place.path[-1] == "lr" and (rate := number_of(place.node)) is not None
    ]
    largest = max(now, default=0.0)
    if not largest > 0.0:
        raise RestoreError(
            f"{draft.checkpoint.path}: it stores no learning rate above 0 that could be set; "
            "use --weights-only, and give the rate to the training script"
        )
    initial = [
        rate
        for place in _rates(draft)
        if place.path[-1] == "initial_lr" and (rate := number_of(place.node)) is not None
    ]
    base = max(initial, default=largest)
    for place in list(_rates(draft)):
        old, key = number_of(place.node), place.path[-1]
        if old is None:
            continue
        current = key == "lr" or "_last_lr" in place.path
        if key in ("max_lr", "min_lr") or "max_lrs" in place.path:
            continue
        place.put(value * old / (largest if current else base))
        draft.touched.add(place.fqn)
    draft.did(
        "set-lr",
        f"the stored learning rate, {largest:.6g} (initially {base:.6g}), is {value:.6g} now",
        _WINS,
        set_lr=value,
    )
