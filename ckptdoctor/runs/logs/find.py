"""Which files of a folder are logs: by their names, and most by what they hold."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.natural import natural_key
from ckptdoctor.places import looks_into, place_of
from ckptdoctor.runs.logs.nested import Found, nested_logs
from ckptdoctor.runs.logs.unpacking import PACKED_SUFFIXES

__all__ = ["NAMES", "LogName", "found_in", "is_log", "logs_in"]

_MOST_LOOKED_INTO = 200
_DATA_SET = 1000
"""So many files of text are what a model learns from: only those with a log's name are opened."""
_TELLING = re.compile(r"log|train|out|err|metric|result|histor|loss|epoch|summary|kaggle|scalar")
_ROTATED = re.compile(
    r"\A(?P<name>.+\.(?:log|txt|out|err|jsonl?|csv))[.-](?P<number>\d[\d_-]{0,14})"
)
_DAY = 8  # digits
_OLDEST = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class LogName:
    """Names under which logs lie.

    Attributes:
        patterns: of file names in lower case, without what packing and rotation add.
        what: writes such files.
        sure: whether the name is enough.
        may_be_empty: whether an empty one is a log that is about to grow.
        text: whether it is a log to whoever names it, whatever it holds.
    """

    patterns: tuple[str, ...]
    what: str
    sure: bool = False
    may_be_empty: bool = False
    text: bool = False


NAMES: tuple[LogName, ...] = (
    LogName(patterns=("*.log",), what="scripts, loggers, Kaggle", sure=True, text=True),
    LogName(patterns=("events.out.tfevents.*",), what="TensorBoard", sure=True, text=True),
    LogName(
        patterns=("metrics.csv", "results.csv", "summary.csv"),
        what="Lightning, Ultralytics, timm",
        sure=True,
        text=True,
    ),
    LogName(
        patterns=("trainer_state.json", "scalars.json", "wandb-summary.json"),
        what="the Hugging Face Trainer, MMEngine, Weights & Biases",
        sure=True,
        text=True,
    ),
    LogName(
        patterns=(
            *("*.txt", "*.out", "*.err", "log", "*_log", "log-*", "*.jsonl"),
            *("*.o[0-9]*", "*.e[0-9]*", "stdout", "stderr", "*.stdout", "*.stderr"),
        ),
        what="`> train.txt`, nohup, Slurm, PBS, fairseq, DETR",
        may_be_empty=True,
        text=True,
    ),
    LogName(patterns=("*.csv", "*.tsv"), what="Keras' CSVLogger, pandas, scripts"),
    LogName(patterns=("*.json",), what="Keras' history, Detectron2, scripts"),
    LogName(patterns=("*.ipynb",), what="executed notebooks"),
)

_NEVER = (
    *("readme*", "requirements*", "license*", "notice*", "changelog*", "vocab*", "merges.txt"),
    *("config*.json", "*_config.json", "tokenizer*", "*.index.json", "package*.json", "args.json"),
    *("hparams*", "classes.txt", "labels.txt"),
)
"""What stands there may look like a training, as in a text about one."""


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\A(?:{'|'.join(map(fnmatch.translate, patterns))})")


_IS_NEVER = _any_of(_NEVER)
_IS = tuple((kind, _any_of(kind.patterns)) for kind in NAMES)
_SUFFIXES = frozenset(
    "log txt out err stdout stderr csv tsv json jsonl ipynb gz bz2 xz zst".split()
)
_BEGINS = "events.out.tfevents."


def is_log(path: Path) -> bool:
    """Whether a file that somebody names is a log; of tables and JSON the content tells."""
    kind = _kind(path.name)
    return kind is not None and (kind.text or (path.is_file() and shows_training(path)))


def has_name_of_log(path: Path) -> bool:
    """Whether a file has a name that trainings give to logs, and hardly anybody to other files."""
    kind = _kind(path.name)
    return kind is not None and kind.sure


def shows_training(path: Path) -> bool:
    """Whether the content of a file is that of a log."""
    from ckptdoctor.runs.logs import signs  # with all readers, which take long to import

    return signs.shows_training(path)


def logs_in(folder: Path) -> list[Path]:
    """The logs that lie in a folder as people count them, the older before the newer."""
    return [found.path for found in found_in(folder)]


def found_in(folder: Path, is_own: Callable[[str], bool] | None = None) -> list[Found]:
    """The logs that lie in a folder, and in the folders that trackers make there.

    Args:
        folder: that is listed, and no deeper than trackers go.
        is_own: whether the name of a training's folder names the run that is asked for.
    """
    names, folders = _listed(folder)
    found = [Found(path=folder / n, label=_bare(n)) for n in _of_logs(folder, names)]
    every = (*found, *nested_logs(folder, folders, is_own))
    return [Found(path=place_of(one.path), label=one.label) for one in every]


def _bare(name: str) -> str:
    """The name of a log without its suffixes: ``train`` of ``train.log.1.gz``."""
    base = _base_and_age(name)[0]
    return base.rpartition(".")[0] or base


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    names: list[str] = []
    folders: list[str] = []
    if _is_of_processes(os.path.abspath(folder)):  # noqa: PTH100  (asks the system nothing)
        return names, folders
    looks_into(folder)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.name)
                elif _kind(entry.name) is not None and entry.is_file():
                    names.append(entry.name)
    except OSError:
        pass
    return names, folders


def _is_of_processes(folder: str) -> bool:
    """Whether `stdout` and `stderr` are there what somebody is writing to, and no logs."""
    return folder in ("/dev", "/dev/fd", "/proc") or folder.startswith("/proc/")


def _of_logs(folder: Path, names: Iterable[str]) -> Iterator[str]:
    kinds = {name: kind for name in names if (kind := _kind(name)) is not None}
    unsure = [name for name, kind in kinds.items() if not kind.sure]
    if len(unsure) > _DATA_SET:
        unsure = [name for name in unsure if _TELLING.search(name.lower())]
    looked_into = frozenset(sorted(unsure, key=_order)[:_MOST_LOOKED_INTO])
    for name in sorted([*(name for name in kinds if kinds[name].sure), *looked_into], key=_order):
        if name not in looked_into or _is_one(folder / name, kinds[name]):
            yield name


def _is_one(path: Path, kind: LogName) -> bool:
    try:
        if not path.stat().st_size:
            return kind.may_be_empty
    except OSError:
        return False
    return shows_training(path)


# -- names ---------------------------------------------------------------------------------------


def _kind(name: str) -> LogName | None:
    suffix = name.rpartition(".")[2].lower()
    is_said = suffix in _SUFFIXES or suffix.endswith("_log") or name.startswith(_BEGINS)
    if not is_said and not suffix[-1:].isdigit():
        return None  # one of very many images
    base, _ = _base_and_age(name)
    kind = next((kind for kind, is_one in _IS if is_one.match(base)), None)
    return None if kind is None or _IS_NEVER.match(base) else kind


def _base_and_age(name: str) -> tuple[str, int]:
    """A name without what packing and rotation add, and how old that says it is."""
    base = name.lower()
    for suffix in PACKED_SUFFIXES:
        base = base.removesuffix(suffix)
    rotated = _ROTATED.fullmatch(base)
    if rotated is None:
        return base, 0
    digits = re.sub(r"\D", "", rotated["number"])
    is_date = len(digits) >= _DAY
    return rotated["name"], _OLDEST - int(digits.ljust(15, "0")) if is_date else int(digits)


def _order(name: str) -> tuple[object, ...]:
    """The newest of the logs of one name comes last, as it goes on from the others."""
    base, age = _base_and_age(name)
    return natural_key(Path(base)), -age, name
