"""Which settings of the run that went wrong are not those of the sound checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.command_line import CommandLine, Flag

__all__ = [
    "Setting",
    "adds_losses",
    "changed",
    "fresh_optimizer_flags",
    "is_batch_size",
    "is_fresh_optimizer",
    "is_of_schedule",
    "multiplies_gradients",
    "number_in",
    "planned_epochs",
    "raised_by",
    "same",
    "sums_loss",
]

_NO_CAUSE = re.compile(
    r"resume|restore|ckpt|checkpoint|path|(?:^|_)(?:dir|out|output|name|seed|device|gpu|gpus|port|"
    r"rank|host|workers|num_workers|log|logs|tag|note|notes|verbose|start_epoch|save_every|folder)"
    r"(?:$|_)"
)
_BATCH = re.compile(
    r"^(?:per_device_|per_gpu_)?(?:train_)?(?:micro_)?(?:batch_?size|bs|batch)(?:_per_\w+)?$"
)
_FRESH = re.compile(r"^(?:fresh|reset|new|no_load|skip|drop|reinit)_(?:the_)?optim(?:izer)?\w*$")
_EPOCHS = re.compile(r"^(?:n_|num_|max_|total_)?(?:train_)?(?:epochs?|nepochs?)$")

_SUMMED = re.compile(r"^(?:sum_loss(?:es)?|loss_sum|summed_loss|sum_reduction)$")
_REDUCTION = re.compile(r"^(?:loss_)?reduction$")
_RAISES = re.compile(
    r"^(?:(?:lr|rate|sched|scheduler|schedule)_)?"
    r"(?:gamma|growth|grow|factor|multiplier|mult|decay_rate|cycle_decay)(?:_factor|_rate|_by)?$"
)
_OF_SCHEDULE = re.compile(
    r"^(?:lr|lr0|learning_rate|schedule|scheduler|sched|lr_schedule|lr_scheduler|lr_sched)$|warm_?up"
)
_MULTIPLIES = re.compile(r"^(?:grad(?:ient)?s?_)?accum\w*$|_(?:weight|coef|coeff|coefficient)$")
_ADDS_LOSSES = re.compile(r"^(?:deep_?sup\w*|(?:n_|num_)?(?:aux|deep)(?:iliary)?_heads)$")
_ON = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting with two values.

    Attributes:
        name: as the file stores it: ``batch_size``.
        before, after: the values; None where it was not set.
    """

    name: str
    before: Scalar
    after: Scalar

    @property
    def times(self) -> float | None:
        """The second value in units of the first; None where they are no numbers above 0."""
        old, new = number_in(self.before), number_in(self.after)
        return new / old if old and new and old > 0 and new > 0 else None

    def in_words(self) -> str:
        """``batch_size 128 -> 4``."""
        return f"{self.name} {_shown(self.before)} -> {_shown(self.after)}"


def changed(
    old: Mapping[str, Scalar], new: Mapping[str, Scalar], line: CommandLine | None
) -> tuple[Setting, ...]:
    """The settings that are not what they were, but for paths, names and the like.

    Args:
        old: the arguments that the sound checkpoint stores.
        new: those that the newest checkpoint stores.
        line: the command of the run; None where it is not known.
    """
    if not old:
        return ()
    return tuple(
        Setting(name=name, before=before, after=after)
        for name, before, after in _pairs(old, _with_flags(new or old, line))
        if not same(before, after) and _NO_CAUSE.search(name) is None and not _EPOCHS.match(name)
    )


def _pairs(
    old: Mapping[str, Scalar], new: Mapping[str, Scalar]
) -> Iterator[tuple[str, Scalar, Scalar]]:
    for name, after in new.items():
        if name in old:
            yield name.lower().replace("-", "_"), old[name], after


def _with_flags(stored: Mapping[str, Scalar], line: CommandLine | None) -> dict[str, Scalar]:
    """The settings, those that the command names as it has them."""
    found = dict(stored)
    if line is None:
        return found
    names = {name.lower().replace("_", "-"): name for name in stored}
    for flag in line.flags:
        name = names.get(flag.name)
        if name is None or flag.live:
            continue
        found[name] = True if flag.value is None else flag.value
    return found


def same(before: Scalar, after: Scalar) -> bool:
    """Whether two values are one, a number or the text of it."""
    old, new = number_in(before), number_in(after)
    if old is not None and new is not None:
        return old == new
    return str(before) == str(after)


def number_in(value: Scalar) -> float | None:
    """A number, or the text of one; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _shown(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]


def is_batch_size(name: str) -> bool:
    """Whether a setting is the number of samples of a step."""
    return _BATCH.match(name) is not None


def multiplies_gradients(name: str) -> bool:
    """Whether gradients are as many times larger: a loss's weight, or how many are added up."""
    return _MULTIPLIES.search(name) is not None


def adds_losses(name: str) -> bool:
    """Whether a setting is how many losses are added up, those of further heads."""
    return _ADDS_LOSSES.match(name) is not None


def is_fresh_optimizer(name: str) -> bool:
    """Whether a switch leaves the stored state of the optimizer unread."""
    return _FRESH.match(name) is not None


def fresh_optimizer_flags(line: CommandLine) -> list[Flag]:
    """The switches of a command that leave the stored state of the optimizer unread."""
    return [
        flag
        for flag in line.flags
        if is_fresh_optimizer(flag.name.replace("-", "_"))
        and (flag.value is None or flag.value.lower() in _ON)
    ]


def is_of_schedule(name: str) -> bool:
    """Whether a setting says what the rate is, or how it goes on."""
    return _OF_SCHEDULE.search(name) is not None


def sums_loss(stored: Mapping[str, Scalar], line: CommandLine | None) -> bool:
    """Whether the loss is summed over the batch, and not its mean."""
    for name, value in _every(stored, line):
        if _SUMMED.match(name) and value not in (False, None, 0, "0", "false", "False"):
            return True
        if _REDUCTION.match(name) and value == "sum":
            return True
    return False


def raised_by(stored: Mapping[str, Scalar], line: CommandLine | None) -> tuple[str, ...]:
    """Settings that may multiply the rate by more than 1: ``--grow 10``.

    Args:
        stored: the arguments that the sound checkpoint stores.
        line: the command.
    """
    found: dict[str, str] = {}
    for name, value in _every(stored, line):
        times = number_in(value)
        if _RAISES.match(name) and times is not None and times > 1.0:
            flag = f"--{name}" if line is None else line.spelled(name)
            found[name] = f"{flag} {times:g}"
    return tuple(found.values())


def _every(stored: Mapping[str, Scalar], line: CommandLine | None) -> Iterator[tuple[str, Scalar]]:
    """All settings: those stored, as the command has them, and those that it has alone."""
    for name, value in _with_flags(stored, line).items():
        yield name.lower().replace("-", "_"), value
    for flag in () if line is None else line.flags:
        if flag.name and not flag.live:
            yield flag.name.replace("-", "_"), True if flag.value is None else flag.value


def planned_epochs(stored: Mapping[str, Scalar], line: CommandLine | None) -> float | None:
    """For how many epochs the run was planned; None where that is not known."""
    for name, value in _with_flags(stored, line).items():
        if _EPOCHS.match(name.lower().replace("-", "_")):
            return number_in(value)
    for flag in () if line is None else line.flags:
        if _EPOCHS.match(flag.name.replace("-", "_")) and flag.value is not None:
            return number_in(flag.value)
    return None
