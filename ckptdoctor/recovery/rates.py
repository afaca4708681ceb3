"""The stored learning rates of a file, multiplied or set; what they are: ``stored_rates.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import RestoreError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.recovery.draft import Action, Draft, number_of
from ckptdoctor.recovery.patches import put_number, stored_number
from ckptdoctor.recovery.stored_rates import (
    Kind,
    StoredRate,
    kind_of,
    stored_rates,
    what_stays,
)
from ckptdoctor.shell import command_line

__all__ = [
    "Rate",
    "Standard",
    "change_rates",
    "put_rates",
    "rescaled",
    "scale",
    "scaled_action",
    "scaled_before",
    "set_action",
    "set_rates",
    "standard_of",
    "with_what_stays",
]


def change_rates(draft: Draft, factor: float) -> None:
    """Multiply every stored rate, those of the schedule too; of a copy those of its original.

    Raises:
        RestoreError: there is none, one is no plain number, or nobody knows the original's.
    """
    path = draft.checkpoint.path
    before = scaled_before(draft.copied, factor, path)
    changed = scale(draft, factor, before)
    action = scaled_action(changed, factor, before, draft.copied, path)
    draft.actions.append(with_what_stays(action, draft.checkpoint.scalars))


def with_what_stays(action: Action, scalars: Mapping[str, Scalar]) -> Action:
    """The action, with what it could not reach in its notice."""
    return replace(action, notice="; ".join((action.notice, *what_stays(scalars))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A stored learning rate that was changed."""

    name: str
    old: float
    new: float


def scale(draft: Draft, factor: float, before: float) -> list[Rate]:
    """Multiply every stored rate of a draft; what was changed.

    Args:
        draft: changed in place.
        factor: over the rates of the original.
        before: what the stored rates are times already; see :func:`scaled_before`.

    Raises:
        RestoreError: one is no plain number.
    """
    changed: list[Rate] = []
    for rate, names in _distinct(draft):
        old = _value(draft, rate)
        if old is None:
            raise RestoreError(
                f"{draft.checkpoint.path}: {rate.place.fqn} is no plain number and cannot be scaled"
            )
        new = rescaled(old, factor**rate.power, before**rate.power)
        _put(draft, rate, new)
        draft.touched |= names
        if rate.power == 1.0:
            changed.append(Rate(name=rate.place.fqn, old=old, new=new))
    return changed


def _value(draft: Draft, rate: StoredRate) -> float | None:
    """A stored rate, which may be a tensor of one element; None for what is no number."""
    plain = number_of(rate.place.node)
    return stored_number(draft, rate.place.fqn) if plain is None else plain


def _put(draft: Draft, rate: StoredRate, value: float) -> None:
    if number_of(rate.place.node) is None:
        put_number(draft, rate.place.fqn, value)
    else:
        rate.place.put(value)


def _distinct(draft: Draft) -> list[tuple[StoredRate, set[str]]]:
    """Every stored rate once, with its names: torch's schedules share lists."""
    found: dict[tuple[int, int], tuple[StoredRate, set[str]]] = {}
    for rate in stored_rates(draft):
        key = (id(rate.place.holder), rate.place.index)
        found.setdefault(key, (rate, set()))[1].add(rate.place.fqn)
    return list(found.values())


def rescaled(rate: float, factor: float, before: float) -> float:
    """A stored rate as it is to be: the original's times the factor."""
    return rate if factor == before else _original(rate, before) * factor


def scaled_action(
    changed: Sequence[Rate], factor: float, before: float, copied: RestoredFrom | None, path: Path
) -> Action:
    """That stored rates were multiplied, in words.

    Args:
        changed: all of them.
        factor: over the rates of the original.
        before: what they were times already.
        copied: the original, where the source is a copy.
        path: the checkpoint.

    Raises:
        RestoreError: there is no learning rate among them.
    """
    rates = [rate for rate in changed if rate.name.rpartition(".")[2] == "lr"]
    if not rates:
        raise RestoreError(
            f"{path}: it stores no learning rate (no param_groups with lr); "
            "give the rate to the training script instead"
        )
    top = max(rates, key=lambda rate: rate.old)
    said = f"lr {top.old:.6g} is {top.new:.6g} now"
    first = [rate for rate in changed if rate.name.endswith("initial_lr")]
    if first:
        top = max(first, key=lambda rate: rate.old)
        said += f", the schedule's own {top.old:.6g} is {top.new:.6g}"
    what = f"{len(changed)} stored learning rates times {factor:.6g}"
    if copied is not None and before != 1.0:
        what = (
            f"{len(changed)} stored learning rates are those of {copied.source.name} times "
            f"{factor:.6g} now; in this copy of it they were times {before:.6g}"
        )
    return Action(name="scale-lr", message=f"{what}: {said}", notice=_WINS, factor=factor)


def scaled_before(copied: RestoredFrom | None, factor: float, path: Path) -> float:
    """What the stored rates are times already, over those of the original.

    Args:
        copied: what the manifest beside the source says, where it is a copy.
        factor: that the user asks for.
        path: the source.

    Raises:
        RestoreError: it is a copy, and its manifest tells no factor; or an average.
    """
    if copied is None:
        return 1.0
    if copied.scale is not None:
        return copied.scale
    if copied.averaged:
        raise RestoreError(
            f"{path} is the mean of {len(copied.averaged)} checkpoints: make it once more, and "
            f"scale its rates then: --average {len(copied.averaged)} --scale-lr {factor:g}"
        )
    how = (
        f"--set-lr {copied.set_lr:g}" if copied.set_lr is not None else "a factor that is not told"
    )
    raise RestoreError(
        f"{path} is a copy of {copied.source}, and its learning rate was changed "
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
    stored = {
        rate.place.fqn: number
        for rate in stored_rates(draft)
        if (number := _value(draft, rate)) is not None
    }
    now = standard_of(stored, draft.checkpoint.path)
    put_rates(draft, value, now)
    draft.actions.append(set_action(value, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """The largest rates that are stored, to which the others keep their proportion.

    Attributes:
        current: that of now.
        initial: that which schedules start from.
        bound: between which they move; 0 where none is stored.
    """

    current: float
    initial: float
    bound: float = 0.0

    def of(self, name: str, rate: float, value: float) -> float | None:
        """A rate once the largest is ``value``; None for one that is a bound, and stays."""
        kind = kind_of(name)
        if kind is Kind.BOUND:
            return None
        return value * rate / (self.current if kind is Kind.CURRENT else self.initial)


def standard_of(stored: Mapping[str, float], path: Path) -> Standard:
    """The largest of the rates that a checkpoint stores.

    Args:
        stored: by their names.
        path: the checkpoint.

    Raises:
        RestoreError: there is none above 0.
    """
    largest = max((v for name, v in stored.items() if _ends(name, "lr")), default=0.0)
    if not largest > 0.0:
        raise RestoreError(
            f"{path}: it stores no learning rate above 0 that could be set; "
            "use --weights-only, and give the rate to the training script"
        )
    initial = max((v for name, v in stored.items() if _ends(name, "initial_lr")), default=largest)
    bound = max((v for name, v in stored.items() if kind_of(name) is Kind.BOUND), default=0.0)
    return Standard(current=largest, initial=initial, bound=bound)


def _ends(name: str, key: str) -> bool:
    return name.rpartition(".")[2] == key


def put_rates(draft: Draft, value: float, now: Standard) -> None:
    """Set the rates that a draft stores."""
    for rate, names in _distinct(draft):
        old = _value(draft, rate)
        new = None if old is None or rate.power != 1.0 else now.of(rate.place.fqn, old, value)
        if new is not None:
            _put(draft, rate, new)
            draft.touched |= names


def set_action(value: float, now: Standard) -> Action:
    """That the rates were set, in words; and that a schedule may lead back to its own."""
    notice = _WINS
    if now.bound > value:
        notice += (
            f"; the stored schedule goes up to {now.bound:.6g}, which stays: its next step may "
            f"lead there. --scale-lr {value / now.current:.3g} lowers that as well"
        )
    return Action(
        name="set-lr",
        message=f"the stored learning rate, {now.current:.6g} (initially {now.initial:.6g}), is "
        f"{value:.6g} now",
        notice=notice,
        set_lr=value,
    )
