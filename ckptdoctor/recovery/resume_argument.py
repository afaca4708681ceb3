"""Which arguments of a command say what to resume from: by their names, or by what they name.

An argument whose value names a checkpoint of the run is the one, whatever it is called: scripts
call it ``restore_file``, ``model``, ``ckpt_path``, or take it without a name. Names decide where
values say nothing, as for a path of another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import place_of
from ckptdoctor.recovery.command_line import CommandLine, Flag
from ckptdoctor.recovery.own_checkpoints import OwnCheckpoints
from ckptdoctor.report import CheckpointReport

__all__ = ["FOLDER_NAMES", "ResumeArguments", "alike", "flag_in", "plain_flag"]

_RESUME_NAMES = (
    *("resume-from", "resume-from-checkpoint", "resume", "resume-path", "resume-checkpoint"),
    *("resume-ckpt", "continue-from", "restart-from", "start-from", "from-checkpoint"),
    *("restore-file", "ckpt-path", "checkpoint-path", "ckpt", "checkpoint", "load-from"),
    *("load-checkpoint", "load", "init-checkpoint", "initial-checkpoint", "load-dir", "resume-dir"),
)
FOLDER_NAMES = (
    *("checkpoint-dir", "checkpoints-dir", "ckpt-dir", "save-dir", "output-dir", "out-dir"),
    *("outdir", "save-path", "output", "work-dir", "workdir", "exp-dir", "run-dir"),
    *("default-root-dir", "model-dir", "logdir", "out"),
)
_LOAD_FOLDERS = ("load-dir", "load", "resume-dir")
_RESUMES = ("resume", "continue", "restart", "restore", "start-from", "from-checkpoint")
_LOADS = frozenset("resume restore continue restart load start init checkpoint ckpt model".split())
_NO_CHECKPOINT = (".yaml", ".yml", ".json", ".toml", ".py", ".txt", ".cfg")
_SWITCHES = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_SEARCHES = frozenset({"auto", "latest", "last", "best", "allow", "must", "never"})
_TAKES_EITHER = "resume-from-checkpoint"  # the Trainer's: a path, or True for the newest
_OF_PROGRAM = {
    "fairseq-train": "--restore-file",
    "fairseq-hydra-train": "checkpoint.restore_file",
    "yolo": "resume",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An argument that names a checkpoint of the run."""

    flag: Flag
    report: CheckpointReport


class ResumeArguments:
    """What a command resumes from.

    Args:
        line: the command.
        own: the checkpoints of the run.
        named: the flag that the user says takes the checkpoint; "" for none.
    """

    def __init__(self, line: CommandLine, own: OwnCheckpoints, named: str = "") -> None:
        self._line = line
        self._own = own
        self._said = plain_flag(named) if named else ""
        folders = [f.value for f in line.find(*FOLDER_NAMES) if f.value and not f.live]
        self._named = [
            _Named(flag=flag, report=report)
            for flag in (*line.flags, *line.alone)
            if flag.value is not None and flag.name not in FOLDER_NAMES
            if (report := own.find(flag.value, folders)) is not None
        ]

    def by_name(self) -> list[Flag]:
        """The arguments whose names say that they take a checkpoint, switches among them."""
        return self._line.find(*((self._said,) if self._said else _RESUME_NAMES))

    def certain(self) -> list[Flag]:
        """Those of them that can be nothing else, such as the path of pretrained weights."""
        return [flag for flag in self.by_name() if flag.name.startswith(_RESUMES)]

    def chosen(self) -> list[Flag]:
        """The argument that takes the checkpoint, as often as it is given: the last one counts."""
        by_name = [flag for flag in self.by_name() if _is_path(flag)]
        if self._said:
            return alike(by_name)
        own = [one.flag for one in self._named]
        both = [flag for flag in by_name if flag in own]
        sure = [
            flag
            for flag in by_name
            if flag.name.startswith(_RESUMES) and (flag.value or "").lower() not in _SEARCHES
        ]
        likely = sorted(own, key=lambda flag: _LOADS.isdisjoint(flag.name.split("-")))
        return alike(both) or alike(sure) or alike(likely) or alike(by_name)

    def own(self) -> list[Flag]:
        """All arguments that name a checkpoint of the run."""
        return [one.flag for one in self._named]

    def broken(self) -> list[Flag]:
        """Those that name one that nothing should load as it is."""
        return [one.flag for one in self._named if self._own.is_broken(one.report)]

    def is_bare(self, flag: Flag) -> bool:
        """Whether the value is a name that the script looks up in a folder of its own."""
        return self._own.is_bare(flag.value or "")

    def is_tag(self, flag: Flag) -> bool:
        """Whether the value is the name alone of a checkpoint that is a folder."""
        report = next((one.report for one in self._named if one.flag is flag), None)
        return report is not None and self.is_bare(flag) and report.path.is_dir()

    def folder_of(self, flag: Flag) -> Flag | None:
        """The argument for the folder where a bare name is looked up; None where there is none.

        As ``--load-dir out --load-tag global_step200``, of a checkpoint that is a folder.
        """
        report = next((one.report for one in self._named if one.flag is flag), None)
        if report is None or not self.is_tag(flag):
            return None
        folder = report.path.absolute().parent
        found = [
            other
            for other in self._line.flags
            if other.value is not None and other is not flag and _leads_to(other.value, folder)
        ]
        found += [other for other in self._line.find(*_LOAD_FOLDERS) if other.value is not None]
        return min(found, key=lambda other: other.name in FOLDER_NAMES, default=None)

    def usual(self) -> str:
        """The flag that the program takes a checkpoint by; "" for a program that is not known."""
        names = {PurePosixPath(flag.written).name for flag in self._line.alone}
        known = self._line.programs | names
        return next((flag for program, flag in _OF_PROGRAM.items() if program in known), "")

    def words(self) -> list[Flag]:
        """What says ``resume`` without a value or a hyphen, as ``yolo resume model=last.pt``."""
        return [flag for flag in self._line.alone if flag.value == "resume"]


def _is_path(flag: Flag) -> bool:
    """Whether a path can stand there, and not a switch or a configuration alone."""
    if flag.value is None or flag.value.endswith(_NO_CHECKPOINT):
        return False
    return flag.value.lower() not in _SWITCHES or flag.name == _TAKES_EITHER


def _leads_to(value: str, folder: Path) -> bool:
    text = value.rstrip("/")
    if not text or "\0" in text:
        return False
    path = Path(text)
    if path.exists():
        return place_of(path) == place_of(folder)
    return path.name == folder.name and "/" in text


def plain_flag(name: str) -> str:
    """``--stage2_lr`` -> ``stage2-lr``."""
    return name.lstrip("-").rpartition(".")[2].replace("_", "-").lower()


def alike(flags: list[Flag]) -> list[Flag]:
    """The first, and those of the same name."""
    return [flag for flag in flags if flag.name == flags[0].name]


def flag_in(arguments: Mapping[str, object]) -> str:
    """The flag that takes a checkpoint, by the arguments that one stores; "" where none does.

    Args:
        arguments: by their names, as a script parsed them.
    """
    known = {name.replace("_", "-").lower(): name for name in arguments}
    name = next((known[one] for one in _RESUME_NAMES if one in known), "")
    value = arguments.get(name)
    return f"--{name.replace('_', '-')}" if name and not isinstance(value, bool) else ""
