"""A training command with another checkpoint, another folder and other learning rates."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ckptdoctor.recovery.command_line import CommandLine, Flag
from ckptdoctor.recovery.lr_rules import Addition, Advice
from ckptdoctor.shell import argument

__all__ = ["Change", "Request", "Rewrite"]

RESUME_NAMES = (
    *("resume-from", "resume-from-checkpoint", "resume", "resume-path", "resume-checkpoint"),
    *("resume-ckpt", "continue-from", "restart-from", "start-from", "from-checkpoint"),
    *("ckpt-path", "checkpoint-path", "ckpt", "checkpoint", "load-from", "load-checkpoint", "load"),
    *("init-checkpoint", "initial-checkpoint", "load-dir"),
)
FOLDER_NAMES = (
    *("checkpoint-dir", "checkpoints-dir", "ckpt-dir", "save-dir", "output-dir", "out-dir"),
    *("outdir", "save-path", "output", "work-dir", "workdir", "exp-dir", "run-dir"),
    *("default-root-dir", "model-dir", "logdir", "out"),
)
WARMUP_NAMES = ("warmup-epochs", "warmup-epoch", "num-warmup-epochs", "warm-up-epochs")
_RESUMES = ("resume", "continue", "restart", "start-from", "from-checkpoint")
_RATE = re.compile(r"(?:lr0?|learning-rate)$")
_NO_RATE = re.compile(r"(?:^|-)(?:min|end|final|lowest|scale)-?(?:lr|learning-rate)$")
_STAGE_LR = re.compile(r"^stage(\d+)-lr$")
_SKIP = re.compile(r"^skip-stage(\d+)$")
_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar")
_NO_CHECKPOINT = (".yaml", ".yml", ".json", ".toml", ".py", ".txt", ".cfg")


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
    """

    command: str = ""
    added: tuple[Addition, ...] = ()
    lr_flags: tuple[str, ...] = ()
    resume_flag: str = ""
    target: float | None = None


class Rewrite:
    """The user's command on its way to become an option.

    Args:
        line: the command, unchanged.
        advice: on the learning rate.
        request: what the user says.

    Attributes:
        changes: what was changed so far.
        warnings: what it cannot vouch for.
    """

    def __init__(self, line: CommandLine, advice: Advice, request: Request) -> None:
        self._line = line.copy()
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

    def takes_folder(self, source: Path) -> bool:
        """Whether it resumes from the folder of a checkpoint, as the Hugging Face Trainer does."""
        values = [flag.value or "" for flag in self._checkpoint_flags()]
        return bool(
            values
            and not values[0].endswith(_SUFFIXES)
            and source.parent.name.startswith("checkpoint-")
        )

    def resume_from(self, resume: Path, source: Path, usual: str = "") -> None:
        """Let it resume from this checkpoint.

        Args:
            resume: the file, or the folder.
            source: the checkpoint that it is made from, or the same.
            usual: the flag that takes it, as scripts of its framework call it; "" for no such.
        """
        reason = "a checkpoint that was read, scanned and found sound"
        target = source.parent if self.takes_folder(source) else resume
        if self._line.moves:  # where a relative path would be looked up somewhere else
            target = target.absolute()
        flags = self._checkpoint_flags()
        for flag in flags:
            self._replace(flag, argument(target), reason)
        if not flags:
            name = self._request.resume_flag or usual or "--resume-from"
            name = name if name.startswith("-") else f"--{name}"
            name = self._add(name, argument(target), reason)
            self.warnings += [
                f"{flag.written} takes no file: the script looks for a checkpoint itself, and "
                "the new folder has none"
                for flag in self._resume_flags()
                if flag.value is None
            ]
            if not self._request.resume_flag:
                self.warnings.append(
                    f"the command has no flag that takes a checkpoint; {name} is a guess, "
                    "--resume-flag names the right one"
                )
        elif target == source.parent:
            self.warnings.append(
                f"{flags[0].written} takes a folder: its files are those of the run, unchanged"
            )

    def name_checkpoint(self, others: Collection[str], name: str) -> None:
        """Let it name this checkpoint where it names one of the run, as DeepSpeed's scripts do."""
        for flag in self._line.flags:
            if flag.value in others and flag.value != name:
                self._replace(flag, name, "the name of that checkpoint")

    def resume_from_nothing(self) -> None:
        """Let it start at the beginning."""
        flags = self._resume_flags()
        sure = [flag for flag in flags if flag.name.startswith(_RESUMES)]
        for flag in flags if self._request.resume_flag else (sure or flags):
            self._remove(flag, "nothing is resumed")
            if not sure and not self._request.resume_flag:
                self.warnings.append(
                    f"{flag.written} was left out: put it back if it names pretrained weights"
                )
        for flag in self._line.flags:
            if _SKIP.match(flag.name):
                self._remove(flag, "from the beginning")

    def move_to_new_folder(self, suffix: str) -> None:
        """Let it write somewhere else, so that the old checkpoints are not overwritten."""
        reason = "a new folder, so that nothing is overwritten"
        flags = _alike([flag for flag in self._line.find(*FOLDER_NAMES) if flag.value])
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
                f"the command has no {' and no '.join(self._request.lr_flags)} with a value"
                if self._request.lr_flags
                else "no flag of the command holds a learning rate; --lr-flag names one"
            )
        for flag in flags:
            after = _scaled(flag.value or "", advice.factor)
            if after is None:
                self.warnings.append(f"{flag.written} {flag.value} is no number: left as it is")
            else:
                self._replace(flag, after, f"times {advice.in_words()}: {advice.reasons[0]}")

    def warm_up(self, in_steps: str = "") -> None:
        """Give it a warm-up where that is advised, or a longer one.

        Args:
            in_steps: the flag of its framework that counts the warm-up in steps; "" for no such.
        """
        epochs = self._advice.warmup_epochs
        if not epochs:
            return
        reason = f"{epochs} epochs of warm-up, after what happened"
        flags = [flag for flag in self._line.find(*WARMUP_NAMES) if flag.value is not None]
        if not flags and in_steps:
            self.warnings.append(f"{reason}: {in_steps} takes their number of steps")
        elif not flags:
            name = self._add("--warmup-epochs", str(epochs), reason)
            self.warnings.append(f"{name} was added: leave it out if your script has no such flag")
        elif (known := _number(flags[0].value)) is not None and known < epochs:
            self._replace(flags[0], str(epochs), reason)

    def _resume_flags(self) -> list[Flag]:
        named = self._request.resume_flag
        return self._line.find(*((plain_flag(named),) if named else RESUME_NAMES))

    def _checkpoint_flags(self) -> list[Flag]:
        """The flag that takes the checkpoint, as often as it is given: the last one counts."""
        found = [
            flag
            for flag in self._resume_flags()
            if flag.value is not None and not flag.value.endswith(_NO_CHECKPOINT)
        ]
        return _alike(found)

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


def plain_flag(name: str) -> str:
    """``--stage2_lr`` -> ``stage2-lr``."""
    return name.lstrip("-").rpartition(".")[2].replace("_", "-").lower()


def _alike(flags: list[Flag]) -> list[Flag]:
    """The first, and those of the same name."""
    return [flag for flag in flags if flag.name == flags[0].name]


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


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
