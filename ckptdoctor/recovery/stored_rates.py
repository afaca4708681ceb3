"""Which values of a checkpoint are learning rates, and what a resume makes of them.

Multiplying the rate means multiplying its whole curve: what a schedule computes it from, and the
floors and peaks between which it goes, too. A floor that stayed would bend the curve, and where
the rate has reached it nothing would have been scaled at all.

Sources: ``state_dict`` and ``get_lr`` of ``torch.optim.lr_scheduler`` and of ``swa_utils.SWALR``
(2.13), ``timm/scheduler/scheduler.py`` (1.0), ``mmengine/optim/scheduler/param_scheduler.py``
(0.10), ``ignite/handlers/param_scheduler.py``, ``schedulefree/adamw_schedulefree.py`` (1.4),
``check_resume`` and ``_build_train_pipeline`` of ``ultralytics/engine/trainer.py``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Draft, number_of, text_keys
from ckptdoctor.recovery.tree import Place, entries, everywhere, find

__all__ = [
    "Kind",
    "StoredRate",
    "is_rate",
    "kind_of",
    "names_rate",
    "stored_rates",
    "stores_rate",
    "stores_schedule",
    "what_stays",
]

_STORED_GROUP = re.compile(r"(?:^|\.)param_groups\.\d+\.(\w+)$")
_AFFIXES = frozenset(
    "base last initial init max min start end final peak target warmup warm up swa default current "
    "restore scheduled lower upper floor lowest highest first".split()
)
_BOUNDS = frozenset("max min swa lower upper floor lowest highest peak eta".split())
_CURRENT = frozenset({"lr", "last_lr", "current_lr", "scheduled_lr", "last_value"})
_LISTS = frozenset({"base_lrs", "_last_lr", "max_lrs", "min_lrs"})
_VALUES = frozenset({"base_values", "_last_value", "min_values", "start_value", "end_value"})
_FIELD_OF_VALUES = ("param_group_field", "param_name")  # of timm; of MMEngine and Ignite
_MEGATRON = "opt_param_scheduler"  # which is compared with the flags, and never loaded over them


class Kind(enum.Enum):
    """What a stored rate is to the schedule."""

    CURRENT = "current"
    INITIAL = "initial"
    BOUND = "bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRate:
    """A value that follows the learning rate.

    Attributes:
        place: where it stands.
        power: of the factor that it is multiplied with: 1 for a rate itself.
    """

    place: Place
    power: float = 1.0


def names_rate(key: str) -> bool:
    """Whether a name alone says that it is a rate: ``base_lrs``, ``warmup_lr_init``, ``lr``.

    Not ``lr_decay``, ``lr_lambdas`` or ``min_lr_ratio``, which go with every rate.
    """
    words = key.strip("_").lower().replace("learning_rate", "lr").split("_")
    rest = [word for word in words if word not in ("lr", "lrs")]
    return len(rest) < len(words) and _AFFIXES.issuperset(rest)


def kind_of(name: str) -> Kind:
    """What the rate of this name is, an index behind it or not."""
    path = name.split(".")
    key = path[-2] if path[-1].isdecimal() and len(path) > 1 else path[-1]
    key = key.strip("_")
    if key in _CURRENT:
        return Kind.CURRENT
    return Kind.INITIAL if _BOUNDS.isdisjoint(key.split("_")) else Kind.BOUND


def is_rate(name: str) -> bool:
    """Whether a value of that name is a stored learning rate, as far as a name can tell."""
    path = name.split(".")
    key = path[-1]
    if "param_groups" in path:
        return names_rate(key) and key != "lr_max"  # goes with ``weight_sum``, or stays with it
    if key.isdecimal() and len(path) > 1:
        key = path[-2]
        if key in _LISTS:
            return True
    return _is_schedule(path[:-1]) and (names_rate(key) or key in _VALUES or _is_eta(key))


def _is_eta(key: str) -> bool:
    return key in ("eta_min", "eta_max")


def _is_schedule(path: list[str] | tuple[str, ...]) -> bool:
    """Whether a place is within what is called a scheduler."""
    return _MEGATRON not in path and any("sched" in key.lower() for key in path)


def stored_rates(draft: Draft) -> Iterator[StoredRate]:
    """Every stored learning rate of a draft, and what has to go with it."""
    for place in draft.optimizers():
        groups = find(place.node, "param_groups")
        for group in entries(groups.node, (*place.path, "param_groups")) if groups else ():
            yield from _of_group(group)
        base = find(place.node, "base_param_settings")  # MMEngine's, scheduled like a group
        if base is not None:
            yield from _of_group(Place((*place.path, *base.path), base.holder, base.index))
    for place in everywhere(draft.saved.root):
        yield from _of_schedule(place)
    yield from _of_arguments(draft)


def _of_group(group: Place) -> Iterator[StoredRate]:
    """The rates of one group of parameters.

    Schedule-free optimizers weigh each iterate with its rate to the power of ``weight_lr_power``,
    and keep the sum of the weights: scaled along, the average goes on as it was.
    """
    held = {place.path[-1]: place for place in entries(group.node, group.path)}
    for key, place in held.items():
        if names_rate(key) and _may_be_rate(place):
            yield StoredRate(place=place)
    power, total = held.get("weight_lr_power"), held.get("weight_sum")
    exponent = None if power is None else number_of(power.node)
    if exponent is not None and total is not None and number_of(total.node) is not None:
        yield StoredRate(place=total, power=exponent)


def _of_schedule(holder: Place) -> Iterator[StoredRate]:
    """The rates in the state of one scheduler; nothing for what is no such state."""
    keys = text_keys(holder.node)
    values = _scheduled_field(holder, keys)
    if "param_groups" in keys or values not in ("", "lr"):
        return
    known = bool(keys & _LISTS) or values == "lr"
    if not known and not _is_schedule(holder.path):
        return
    for place in entries(holder.node, holder.path):
        key = place.path[-1]
        own = names_rate(key) or _is_eta(key) or (values == "lr" and _goes_with(key, holder))
        if own and type(place.node) is list:
            yield from (StoredRate(place=one) for one in entries(place.node, place.path))
        elif own and _may_be_rate(place):
            yield StoredRate(place=place)


def _scheduled_field(holder: Place, keys: set[str]) -> str:
    """Which field of the groups a scheduler of any field sets: ``lr``, ``momentum``; or ""."""
    if not keys & _VALUES:
        return ""
    for name in _FIELD_OF_VALUES:
        field = find(holder.node, name) if name in keys else None
        if field is not None:
            return str(field.node)
    return ""


def _goes_with(key: str, holder: Place) -> bool:
    """Whether a field of a scheduler of values goes with the rate.

    timm's ``warmup_steps`` are what is added to the rate at each step of a warm-up.
    """
    if key != "warmup_steps":
        return key in _VALUES
    steps = find(holder.node, "warmup_t")
    return steps is not None and bool(number_of(steps.node))


def _may_be_rate(place: Place) -> bool:
    """Whether it is neither missing nor a sign for "none yet"."""
    node = place.node
    value = number_of(node)
    return not isinstance(node, bool | str | None) and (value is None or value >= 0.0)


def _of_arguments(draft: Draft) -> Iterator[StoredRate]:
    """What Ultralytics builds the optimizer from when it resumes, whatever its command says."""
    arguments = find(draft.saved.root, "train_args")
    if arguments is None or not {"lr0", "lrf"} <= text_keys(arguments.node):
        return
    for place in entries(arguments.node, arguments.path):
        if place.path[-1] in ("lr0", "warmup_bias_lr") and _may_be_rate(place):
            yield StoredRate(place=place)


def stores_rate(scalars: Mapping[str, Scalar]) -> bool:
    """Whether a checkpoint stores a rate: a number, or, where groups name none, a tensor."""
    groups = {
        found[1]: value for name, value in scalars.items() if (found := _STORED_GROUP.search(name))
    }
    return bool(groups) and ("lr" not in groups or groups["lr"] is not None)


def stores_schedule(names: Iterable[str]) -> bool:
    """Whether a checkpoint stores the state of a scheduler, by the names of its values."""
    return any(not _LISTS.isdisjoint(name.split(".")) or ".base_values." in name for name in names)


# -- what a scaled file does not change ----------------------------------------------------------


def what_stays(scalars: Mapping[str, Scalar]) -> tuple[str, ...]:
    """What goes another way than the stored rates, and what to do about it, a sentence each.

    Args:
        scalars: of the checkpoint, by path.
    """
    found = [
        way.sentence
        for way in _OTHER_WAYS
        if any(way.shows(name, value) for name, value in scalars.items())
    ]
    return (*found, *((_PLATEAU,) if _is_plateau_of_timm(scalars) else ()))


_PLATEAU = (
    "not scaled: PlateauLRScheduler of timm stores its best score alone: its warm-up and its floor "
    "come from the script: change --lr and --min-lr in the command as well"
)


def _is_plateau_of_timm(scalars: Mapping[str, Scalar]) -> bool:
    """Whether the state of a scheduler is a best score and a count, and nothing else."""
    held: dict[str, set[str]] = {}
    for name in scalars:
        root, _, key = name.rpartition(".")
        if _is_schedule(root.split(".")):
            held.setdefault(root, set()).add(key)
    return any(keys == {"best", "last_epoch"} for keys in held.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _OtherWay:
    """What decides about the rate beside what is stored: which scalar shows it, and what to say."""

    shows: Callable[[str, Scalar], bool]
    sentence: str


def _in_group(key: str, name: str) -> bool:
    return name.endswith(f".{key}") and "param_groups" in name.split(".")


_OTHER_WAYS = (
    _OtherWay(
        shows=lambda name, _: name.startswith("optimizer_history."),
        sentence="not scaled: fairseq computes the rate from its arguments after each update: "
        "change --lr (and --warmup-init-lr, --min-lr) in the command as well",
    ),
    _OtherWay(
        shows=lambda name, value: name == "train_args.optimizer" and value == "auto",
        sentence="not scaled: with optimizer=auto Ultralytics chooses the rate itself, on resume "
        "as well: start from these weights with optimizer=SGD and a lower lr0 instead",
    ),
    _OtherWay(
        shows=lambda name, value: _in_group("relative_step", name) and value is True,
        sentence="not scaled: Adafactor with relative_step=True computes its rate from the step: "
        "set relative_step=False and a rate in the script",
    ),
    _OtherWay(
        shows=lambda name, _: _in_group("d0", name),
        sentence="not scaled: d, the step size that Prodigy and D-Adaptation estimate; the rate "
        "that it is multiplied with is, but d may still grow",
    ),
    _OtherWay(
        shows=lambda name, _: f"{_MEGATRON}." in name,
        sentence="not scaled: the schedule of Megatron-LM comes from --lr and --min-lr: give the "
        "new ones with --override-opt-param-scheduler",
    ),
)
