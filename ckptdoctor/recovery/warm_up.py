"""The warm-up of a command: which flag sets it, in which unit, and what it should be."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.command_line import CommandLine, Flag
from ckptdoctor.recovery.stored_rise import Rise
from ckptdoctor.report import CheckpointReport

__all__ = ["Facts", "Unit", "WarmUp", "epoch_steps_of", "unit_of", "warm_up_of"]

_WORDS = frozenset(
    "lr learning rate scheduler sched num n number of warmup warm up linear optim optimizer".split()
)


_OFF = re.compile(r"^(?:no|skip|disable|without)-(?:lr-)?warm-?up(?:-(?:epochs|steps|iters))?$")


class Unit(enum.Enum):
    """What a warm-up is counted in; the words that say so."""

    EPOCHS = frozenset({"epoch", "epochs"})
    STEPS = frozenset("step steps iter iters iteration iterations updates batches".split())
    RATIO = frozenset("ratio fraction frac proportion percent pct".split())
    UNKNOWN = frozenset[str]()


_TOTALS = ("epochs", "max-epochs", "num-epochs", "num-train-epochs", "n-epochs", "max-epoch")


def unit_of(name: str) -> Unit | None:
    """The unit of a flag that sets how long the rate warms up; None for any other flag.

    Not the rate that it starts at, nor the warm-up of something else.
    """
    words = name.lower().replace("_", "-").split("-")
    if "warmup" not in words and not ("warm" in words and "up" in words):
        return None
    if words[-1] in ("lr", "rate"):  # that it starts from
        return None
    rest = [word for word in words if word not in _WORDS]
    if not rest:
        return Unit.UNKNOWN
    return next((unit for unit in Unit if unit.value.issuperset(rest)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What to do with the warm-up.

    Attributes:
        flag: of the command, that gets another value; None for none.
        name: of one that is added; "" for none.
        value: the new one; "" where nothing is changed.
        said: why nothing is changed; "" where there is nothing to say.
        off: the switch that would keep it from warming up, to be left out; None for none.
        stored: whether it is to be written into the stored schedule instead.
    """

    flag: Flag | None = None
    name: str = ""
    value: str = ""
    said: str = ""
    off: Flag | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a training beside its command.

    Attributes:
        arguments: those that the checkpoint stores.
        epoch_steps: how many steps an epoch has; None where that is not known.
        resumes_schedule: whether the state of a schedule is stored that the script will load.
        flag: of the framework, that counts the warm-up in steps; "" where that is not known.
        rise: the warm-up of the stored schedule; None where it has none.
    """

    arguments: Mapping[str, Scalar] = field(default_factory=dict)
    epoch_steps: float | None = None
    resumes_schedule: bool = False
    flag: str = ""
    rise: Rise | None = None


def epoch_steps_of(reports: Iterable[CheckpointReport]) -> float | None:
    """The steps of an epoch, from two checkpoints of a run; None where they do not tell."""
    known = {
        float(row.metadata.epoch): row.metadata.global_step
        for row in reports
        if row.metadata.epoch is not None and row.metadata.global_step is not None
    }
    if len(known) < 2:
        return None
    first, last = min(known), max(known)
    steps = known[last] - known[first]
    return steps / (last - first) if steps > 0 else None


def warm_up_of(line: CommandLine, epochs: int, facts: Facts) -> WarmUp:
    """How the command gets a warm-up, or a longer one.

    Args:
        line: the command.
        epochs: over which to warm up.
        facts: what is known beside it.
    """
    off = next((flag for flag in line.flags if _OFF.match(flag.name)), None)
    if off is not None and facts.resumes_schedule:
        return WarmUp(said=f"{off.written} {_STAYS}")
    return replace(_longer(line, epochs, facts), off=off)


_STAYS = "stays: with a warm-up the script would not load the schedule that is stored"


def _longer(line: CommandLine, epochs: int, facts: Facts) -> WarmUp:
    """What sets the warm-up, and what it should be."""
    for flag in line.flags:
        unit = unit_of(flag.name)
        if unit is not None and flag.value is not None:
            now = _number(flag.value)
            if now is None:
                return WarmUp(said=f"{flag.written} {flag.value} is no number: left as it is")
            value, said = _value(unit, now, epochs, line, facts)
            said = said and f"{flag.written} {flag.value} {said}"
            return WarmUp(flag=flag, value=value, said=said)
    for name, held in facts.arguments.items():
        unit = unit_of(name)
        now = None if unit is None or isinstance(held, bool) else _number(held)
        if unit is not None and now is not None:
            written = line.spelled(name)
            value, said = _value(unit, now, epochs, line, facts)
            return WarmUp(name=written, value=value, said=said and f"{written} {held} {said}")
    if facts.flag:
        return WarmUp(said=f"{facts.flag} takes the number of steps that {epochs} epochs have")
    return _without_flag(facts)


def _without_flag(facts: Facts) -> WarmUp:
    """What comes of it where the script has no flag for one."""
    rise = facts.rise
    if rise is not None and rise.ahead:
        return WarmUp(said=f"the stored {rise.schedule} still rises there: no other is added")
    if rise is not None and rise.writable:
        return WarmUp(stored=True)
    kept = ", and the stored schedule has no place for one" if facts.resumes_schedule else ""
    return WarmUp(
        said=f"the script has no such flag{kept}: none is added; the first steps run at the full "
        "rate of the schedule"
    )


def _value(unit: Unit, now: float, epochs: int, line: CommandLine, facts: Facts) -> tuple[str, str]:
    """The new value, or why there is none; nothing where it is long enough.

    A script that warms up builds another scheduler than one that does not, and that one does not
    load the state of the other.
    """
    if now <= 0 and facts.resumes_schedule:
        return "", _STAYS
    if unit is Unit.UNKNOWN:
        return "", f"does not say what it counts: make it as long as {epochs} epochs"
    if unit is Unit.EPOCHS:
        wanted: float | None = float(epochs)
    elif unit is Unit.STEPS:
        wanted = _steps(epochs, facts)
    else:
        total = _total(line)
        wanted = None if total is None else round(min(1.0, epochs / total), 4)
    if wanted is None:
        what = "steps, and how many an epoch has" if unit is Unit.STEPS else "a share of all epochs"
        return "", f"counts {what} is not known: make it as long as {epochs} epochs"
    return (f"{wanted:g}" if wanted < 1e6 else f"{wanted:.0f}", "") if now < wanted else ("", "")


def _steps(epochs: int, facts: Facts) -> float | None:
    return None if facts.epoch_steps is None else float(round(epochs * facts.epoch_steps))


def _total(line: CommandLine) -> float | None:
    """The epochs of the whole training, as the command says."""
    for flag in line.find(*_TOTALS):
        total = _number(flag.value)
        if total is not None and total > 0:
            return total
    return None


def _number(text: Scalar) -> float | None:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
