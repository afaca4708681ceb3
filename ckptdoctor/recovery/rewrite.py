"""A training command with another checkpoint, another folder and other learning rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.added import Addition
from ckptdoctor.recovery.causes.settings import (
    Setting,
    fresh_optimizer_flags,
    is_of_schedule,
    number_in,
)
from ckptdoctor.recovery.command_line import CommandLine, Flag
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.recovery.own_checkpoints import OwnCheckpoints
from ckptdoctor.recovery.resume_argument import (
    FOLDER_NAMES,
    ResumeArguments,
    alike,
    plain_flag,
)
from ckptdoctor.recovery.stored_growth import Growth
from ckptdoctor.recovery.warm_up import Facts, warm_up_of
from ckptdoctor.shell import argument

__all__ = ["Change", "Request", "Rewrite"]

_RATE = re.compile(r"(?:lr0?|learning-rate)$")
_NO_RATE = re.compile(r"(?:^|-)(?:min|end|final|lowest|scale)-?(?:lr|learning-rate)$")
_FACTOR = re.compile(r"(?:^|-)(?:gamma|factor|decay|rate|mult|multiplier|growth|grow)(?:-|$)")
_STAGE_LR = re.compile(r"^stage(\d+)-lr$")
_SKIP = re.compile(r"^skip-stage(\d+)$")
_AS_TRAINED = "as the checkpoint was trained"
_SOUND = "a checkpoint that was read, scanned and found sound"
_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that an option changes in the command.

    Attributes:
        flag: as it is written.
        before: its value; None where it is added.
        after: its value; None where it is left out.
        reason: why.
    """

    flag: str
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user says.

    Attributes:
        command: the command that the run was started with; "" to look for it.
        added: what was added before it went wrong.
        lr_flags: the flags that hold learning rates; none for those whose name says so.
        resume_flag: the flag that takes the checkpoint; "" for the one whose name says so.
        target: of the metric, for the timeline; None for no timeline.
        factor: for the learning rate, in place of what the rules say; None for that.
    """

    command: str = ""
    added: tuple[Addition, ...] = ()
    lr_flags: tuple[str, ...] = ()
    resume_flag: str = ""
    target: float | None = None
    factor: float | None = None

    def words(self) -> list[str]:
        """The options of ``plan`` that say the same, but for target and factor."""
        found = ["--command", self.command] if self.command else []
        for one in self.added:
            found += ["--added", one.in_words()]
        for flag in self.lr_flags:
            found += ["--lr-flag", flag]
        return found + (["--resume-flag", self.resume_flag] if self.resume_flag else [])


class Rewrite:
    """The user's command on its way to become an option.

    Args:
        line: the command, unchanged.
        advice: on the learning rate.
        request: what the user says.
        own: the checkpoints of the run.

    Attributes:
        changes: what was changed so far.
        warnings: what it cannot vouch for.
    """

    def __init__(
        self,
        line: CommandLine,
        advice: Advice,
        request: Request,
        own: OwnCheckpoints | None = None,
    ) -> None:
        self._line = line.copy()
        self._resume = ResumeArguments(self._line, own or OwnCheckpoints(), request.resume_flag)
        self._advice = advice
        self._request = request
        self._changed: set[Flag] = set()
        self.changes: list[Change] = []
        self.warnings: list[str] = []

    def text(self) -> str:
        """The command as it is now."""
        return self._line.text()

    @property
    def several(self) -> bool:
        """Whether it is more than one command, whatever becomes of the first."""
        return self._line.several

    def spelled(self, name: str) -> str:
        """A flag the way that the others of the command are spelled."""
        return self._line.spelled(name)

    def takes_folder(self, source: Path) -> bool:
        """Whether it resumes from the folder of a checkpoint, as the Hugging Face Trainer does."""
        values = [flag.value or "" for flag in self._resume.chosen()]
        return bool(
            values
            and not values[0].endswith(_SUFFIXES)
            and source.parent.name.startswith("checkpoint-")
        )

    def resume_from(
        self, resume: Path, source: Path, usual: str = "", checkpoint: Path | None = None
    ) -> None:
        """Let it resume from this checkpoint.

        Args:
            resume: the file, or the folder.
            source: the checkpoint that it is made from, or the same.
            usual: the flag that takes it, as scripts of its framework call it; "" for no such.
            checkpoint: the folder of the checkpoint itself, where ``resume`` is the one above it.
        """
        target = source.parent if self.takes_folder(source) else resume
        if self._line.moves:  # where a relative path would be looked up somewhere else
            target = target.absolute()
        flags = self._resume.chosen()
        for flag in flags:
            self._point(flag, target, checkpoint or resume)
        if not flags:
            self._add_resume(target, usual)
        elif target == source.parent:
            self.warnings.append(
                f"{flags[0].written} takes a folder: its files are those of the run, unchanged"
            )
        for flag in self._resume.broken():
            if flag not in self._changed:
                self._replace(flag, argument(target), "what it named is damaged")

    def _point(self, flag: Flag, target: Path, checkpoint: Path) -> None:
        """Let an argument name the checkpoint, the way that it named the other one."""
        folder = self._resume.folder_of(flag)
        if folder is not None:
            above = checkpoint.absolute().parent if self._line.moves else checkpoint.parent
            self._replace(folder, argument(above), _SOUND)
            self._replace(flag, checkpoint.name, _SOUND)
        elif self._resume.is_tag(flag):
            self._replace(flag, checkpoint.name, _SOUND)
            self.warnings.append(f"{flag.written} is looked up in a folder: {checkpoint.parent}")
        elif self._resume.is_bare(flag):  # joined to a folder that is another now
            self._replace(flag, argument(target.absolute()), _SOUND)
        else:
            self._replace(flag, argument(target), _SOUND)

    def _add_resume(self, target: Path, usual: str) -> None:
        """Add the flag that takes the checkpoint, where the command has none."""
        known = self._request.resume_flag or self._resume.usual()
        name = known or usual or self._line.spelled("resume-from")
        name = name if name.startswith("-") else f"--{name}"
        name = self._add(name, argument(target), _SOUND)
        self.warnings += [
            f"{flag.written} takes no file: the script looks for a checkpoint itself, and "
            "the new folder has none"
            for flag in self._resume.by_name()
            if flag.value is None
        ]
        if not known:
            self.warnings.append(
                f"the command has no flag that takes a checkpoint; {name} is a guess, "
                "--resume-flag names the right one"
            )

    def resume_from_nothing(self) -> None:
        """Let it start at the beginning."""
        flags, sure = self._resume.by_name(), self._resume.certain()
        for flag in flags if self._request.resume_flag else (sure or flags):
            self._remove(flag, "nothing is resumed")
            if not sure and not self._request.resume_flag:
                self.warnings.append(
                    f"{flag.written} was left out: put it back if it names pretrained weights"
                )
        for flag in self._resume.own():
            if flag in self._changed:
                continue
            folder = self._resume.folder_of(flag)
            for one in (flag, *(() if folder is None else (folder,))):
                self._remove(one, "it names a checkpoint of this run")
            self.warnings.append(
                f"{flag.written} was left out: if the script needs it, name the model there"
            )
        for flag in fresh_optimizer_flags(self._line):
            self._remove(flag, "nothing is resumed")
        for flag in (*self._resume.words(), *self._line.flags):
            if flag.name == "" or _SKIP.match(flag.name):
                self._remove(flag, "from the beginning")

    def load_optimizer(self) -> None:
        """Leave out what keeps the script from reading the stored optimizer."""
        for flag in fresh_optimizer_flags(self._line):
            self._remove(flag, "the checkpoint holds the optimizer: this time it is loaded")

    def schedule_as_before(self, settings: Sequence[Setting]) -> bool:
        """Set rate and schedule as the sound checkpoint was trained; whether a rate was set.

        Args:
            settings: that were changed since.
        """
        rate = False
        for one in settings:
            names = self._line.find(one.name.replace("_", "-")) if is_of_schedule(one.name) else []
            for flag in names:
                rate = rate or _RATE.search(flag.name) is not None
                if one.before is None or one.before is False:
                    self._remove(flag, _AS_TRAINED)
                else:
                    self._replace(flag, _plain(one.before), _AS_TRAINED)
        return rate

    def move_to_new_folder(self, suffix: str) -> None:
        """Let it write somewhere else, so that the old checkpoints are not overwritten."""
        reason = "a new folder, so that nothing is overwritten"
        flags = alike([flag for flag in self._line.find(*FOLDER_NAMES) if flag.value])
        if not flags:
            self.warnings.append(
                "the command names no folder for its checkpoints: make sure that it does not "
                "overwrite the old ones"
            )
            return
        old = flags[0].value or ""
        if flags[0].live:
            for flag in flags:
                self._changed.add(flag)
                self._line.extend(flag, f"_{suffix}")
                self._note(flag.written, flag.value, f"{flag.value}_{suffix}", reason)
            self.warnings.append(f"{old}_{suffix}: see that it does not exist yet")
            return
        base = re.sub(r"_(?:recovery|earlier|safe)(?:_\d+)?$", "", old.rstrip("/"))
        new = suffix if base == "." else f"{base}_{suffix}"
        after, number = new, 2
        while Path(after).exists() or after == old.rstrip("/"):
            after, number = f"{new}_{number}", number + 1
        for flag in flags:
            self._replace(flag, after, reason)

    def scale_rates(self, *, fresh: bool) -> None:
        """Scale its learning rates as advised; of a fresh start those of every stage."""
        advice = self._advice
        if advice.factor == 1.0:
            return
        flags = self._rates(fresh=fresh)
        if not flags:
            self.warnings.append(
                "no flag of the command holds a learning rate; --lr-flag names one"
            )
        for flag in flags:
            after = _scaled(flag.value or "", advice.factor)
            if after is None:
                self.warnings.append(f"{flag.written} {flag.value} is no number: left as it is")
            else:
                self._replace(flag, after, f"times {advice.in_words()}")

    def stop_growth(self, grown: Sequence[Growth]) -> bool:
        """Let the flags that set these factors lower the rate; whether there is one for each."""
        decay, found = self._advice.decay, 0
        for growth in grown:
            flags = [flag for flag in self._line.flags if _sets(flag, growth)]
            found += bool(flags)
            for flag in flags:
                self._replace(flag, f"{decay:g}", "above 1 it raises the rate")
        return 0 < found == len(grown)

    def warm_up(self, facts: Facts | None = None) -> None:
        """Give it a warm-up where that is advised, or a longer one, if it knows how.

        Args:
            facts: what is known of the training beside the command.
        """
        epochs = self._advice.warmup_epochs
        if not epochs:
            return
        reason = f"{epochs} epochs of warm-up, after what happened"
        found = warm_up_of(self._line, epochs, facts or Facts())
        if found.off is not None:
            self._remove(found.off, "a warm-up is wanted, after what happened")
        if found.value and found.flag is not None:
            self._replace(found.flag, found.value, reason)
        elif found.value:
            self._add(found.name, found.value, reason)
        elif found.said:
            self.warnings.append(f"warm-up: {found.said}")

    def _rates(self, *, fresh: bool) -> list[Flag]:
        """The flags that hold rates; not a floor, and not that of a stage that is skipped."""
        if self._request.lr_flags:
            names = [plain_flag(name) for name in self._request.lr_flags]
            return [flag for flag in self._line.find(*names) if flag.value is not None]
        rates = [
            flag
            for flag in self._line.flags
            if flag.value is not None and _RATE.search(flag.name) and not _NO_RATE.search(flag.name)
        ]
        skipped = {int(found[1]) for flag in self._line.flags if (found := _SKIP.match(flag.name))}
        stages = {flag: int(found[1]) for flag in rates if (found := _STAGE_LR.match(flag.name))}
        running = [flag for flag, stage in stages.items() if stage not in skipped]
        return running if running and skipped and not fresh else rates

    def _replace(self, flag: Flag, after: str, reason: str) -> None:
        if flag not in self._changed:
            self._changed.add(flag)
            if flag.value != after:
                self._line.replace(flag, after)
                self._note(flag.written, flag.value, after, reason)

    def _remove(self, flag: Flag, reason: str) -> None:
        if flag not in self._changed:
            self._changed.add(flag)
            self._line.remove(flag)
            self._note(flag.written, flag.value, None, reason)

    def _add(self, name: str, value: str, reason: str) -> str:
        written = self._line.add(name, value)
        self._note(written, None, value, reason)
        return written

    def _note(self, flag: str, before: str | None, after: str | None, reason: str) -> None:
        self.changes.append(Change(flag=flag, before=before, after=after, reason=reason))


def _sets(flag: Flag, growth: Growth) -> bool:
    """Whether a flag sets the factor of a schedule: by its name, and by the very number."""
    named = _FACTOR.search(flag.name) is not None
    return named and flag.value is not None and number_in(flag.value) == growth.times


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scaled(text: str, factor: float) -> str | None:
    """The number times the factor, written the way it was written; None for what is no number."""
    try:
        value = Decimal(text) * Decimal(str(factor))
    except ArithmeticError:
        return None
    if not value.is_finite() or value <= 0:
        return None
    short = Decimal(f"{value:.4g}").normalize()
    if "e" not in text.lower():
        return f"{short:f}"
    digits, _, exponent = f"{short:e}".partition("e")
    return f"{digits}e{int(exponent)}"
