"""The learning rates that a file stores: in the optimizer's groups and in the scheduler."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.draft import Draft, number_of
from ckptdoctor.recovery.tree import Place, entries, find, places

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


def change_rates(draft: Draft, name: str, factor: float) -> None:
    """Multiply every stored rate, those of the schedule too.

    Raises:
        RestoreError: there is none, or one is no plain number.
    """
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
        place.put(old * factor)
        draft.touched.add(place.fqn)
        changed.append((place.fqn, old, old * factor))
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
    draft.did(
        name,
        f"{len(changed)} stored learning rates times {factor:.6g}: {said}",
        "the stored rate wins over the --lr of the training script when the optimizer is loaded",
    )


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
        "the stored rate wins over the --lr of the training script when the optimizer is loaded",
    )
