"""Tables within lines of text: a head of names, and rows of numbers below it.

Ultralytics' ``Epoch GPU_mem box_loss`` over its bars and ``Class Images … mAP50-95)`` over ``all``;
fastai's and pandas' columns; markdown; Detectron2's ``copypaste: AP,AP50``; scikit-learn's report.
A row of one class among many is passed over: that of all classes counts. And tables of two
columns, a name and its number a line between rules, as Stable-Baselines3 prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import SPLIT_WORDS, is_loss
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES, number, position
from ckptdoctor.runs.logs.spelled import NUMBER, plain
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["TableRow", "TextTable", "UprightTable", "bare_table_of", "head_of"]

_LEAST = 2
_MOST = 60
_MANY = 4
_WIDTH = 10
"""Of fastai's columns, which are printed without a space where a name fills them."""
_BAR = re.compile(r":?\s{0,4}(?<!\d)\d{1,3}%\s?(?:\||[━╸─])[\s\S]*")
_PREFIX = re.compile(r"^(?:.*(?:\]|:)\s(?:-\s)?|#\s{0,4}(?=\w))")
_OF_YOLO = re.compile(r"^\s{0,20}\d{1,5}/\d{1,5}\s{1,20}[\d.]{1,10}G\s")
_YOLO = (
    *("epoch", "gpu_mem", "train/box_loss", "train/obj_loss", "train/cls_loss", "train/loss"),
    *("labels", "img_size", "P", "R", "mAP@.5", "mAP@.5:.95"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss"),
)
_STAMPED = ("[", "(")
_DRAWN = str.maketrans({"│": "|", "┃": "|", "║": "|"})
_NUMBER = re.compile(rf"^{NUMBER}$")
_COUNT = re.compile(r"\d{1,9}$")
_OF = re.compile(r"(\d{1,7})/\d{1,7}$")  # epoch 3/20
_UNIT = re.compile(r"(?:GB|MB|[GMKT]|%|s|ms|it/s)$")
_ALL = frozenset(
    (
        *("all", "all classes", "mean", "mean iou", "avg", "average", "overall", "total"),
        *("global", "summary", "macro", "weighted", "macro avg", "weighted avg", "micro avg"),
    )
)
_RUNS = frozenset(
    {"arch", "architecture", "model", "method", "network", "backbone", "dataset", "datasets"}
)
"""What heads a column of labels that are no classes: the one row below it counts."""
_PARTS = frozenset(
    {"box", "obj", "cls", "dfl", "total", "giou", "ciou", "diou", "iou", "l1", "xy", "wh"}
)
_EPOCHS = frozenset({*EPOCH_NAMES, "ep", "e"})
_STEPS = frozenset({*STEP_NAMES, "#"})
_UPRIGHT_STEPS = ("total_timesteps", *STEP_NAMES)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    Attributes:
        values: by the names of the columns.
        epoch, step: where the table counts them.
    """

    values: dict[str, float]
    epoch: float | None = None
    step: int | None = None

    def is_named(self, cell: bytes) -> bool:
        """Whether the first cell tells which row it is, and not a stamp in front of all."""
        return self.epoch is None or cell.partition(b"/")[0] == b"%g" % self.epoch


class TextTable:
    """A head, and the rows that fit below it.

    Args:
        names: of the columns.
    """

    def __init__(self, names: Sequence[str], separator: str) -> None:
        self._separator = separator
        lower = [name.lower() for name in names]
        self._epoch = next((i for i, n in enumerate(lower) if n in _EPOCHS), None)
        self._step = next((i for i, n in enumerate(lower) if n in _STEPS), None)
        self._names = _of_losses(names) if self._epoch is not None else list(names)
        self._of_runs = lower[0] in _RUNS
        self._is_course = any(is_loss(name) for name in names)
        self.labelled = not self.counts and not is_watched(names[0])

    @property
    def counts(self) -> bool:
        """Whether the table has a column of epochs or steps."""
        return self._epoch is not None or self._step is not None

    @property
    def leads(self) -> bool:
        """Whether the first cell of a row tells which it is."""
        return not self.counts or {self._epoch, self._step} == {0, None}

    def row(self, line: str) -> TableRow | None:
        """The row that a line is; None if it is none, without values if it is one class of many."""
        other: TableRow | None = None
        for text in _readings(line):
            bare = _BAR.sub("", text)
            bare = bare if self._separator == "," else plain(bare)  # 1,100 is no thousand there
            for separator in ("  ", " ") if self._separator.isspace() else (self._separator,):
                found = self._fitting(_cells(bare, separator))
                is_told = found is not None and (found.values or found.epoch is not None)
                if is_told or (found is not None and not line.startswith(_STAMPED)):
                    return found
                other = other or found
        return other

    def _fitting(self, cells: list[str]) -> TableRow | None:
        names = self._names
        if len(cells) == len(names) + 1 and not self.labelled:  # a column of labels or numbers
            if not _COUNT.match(cells[0]) or not (self.counts or self._is_course):
                return self._labelled(cells[0], cells[1:], names)
            index, *cells = cells
            if not self.counts:
                row = self._fitting(cells)
                return None if row is None else replace(row, epoch=int(index))
        if len(cells) > len(names) and not self.counts:
            label = " ".join(cells[: len(cells) - len(names)])
            return self._labelled(label, cells[-len(names) :], names)
        if len(cells) != len(names):
            return None
        if self.labelled and _number(cells[0]) is None:
            label = "all" if self._of_runs else cells[0]
            return self._labelled(label, cells[1:], names[1:])
        numbers = [_number(cell) for cell in cells]
        if sum(value is not None for value in numbers) * 2 < len(cells) or numbers[0] is None:
            return None
        epoch = None if self._epoch is None else _counted(numbers[self._epoch])
        step = None if self._step is None else _counted(numbers[self._step])
        if self.counts and epoch is None and step is None:
            return None
        return TableRow(
            {
                name: value
                for at, (name, value) in enumerate(zip(names, numbers, strict=True))
                if value is not None and at not in (self._epoch, self._step)
            },
            epoch,
            None if step is None else int(step),
        )

    @staticmethod
    def _labelled(label: str, cells: Sequence[str], names: Sequence[str]) -> TableRow | None:
        """A row that begins with what it is of."""
        numbers = [_number(cell) for cell in cells]
        if None in numbers or not cells:
            return None
        word = label.strip(" *:").lower()
        if word not in _ALL:
            return TableRow({})
        qualifier = f"{word} " if word.endswith(" avg") else ""
        return TableRow(
            {
                f"{qualifier}{name}": value
                for name, value in zip(names, numbers, strict=True)
                if value is not None
            }
        )


class SplitTable(TextTable):
    """A table with a column for each part of the data, and a row for each metric, as of Ludwig."""

    def row(self, line: str) -> TableRow | None:
        """The row that a line is; None if it is none, without values if it is of no metric."""
        for text in _readings(line):
            label, *cells = _cells(text, self._separator)
            numbers = [_number(plain(cell)) for cell in cells]
            if len(cells) != len(self._names) or _number(label) is not None or not any(numbers):
                continue
            told = zip(self._names, numbers, strict=True) if is_watched(label) else ()
            return TableRow({f"{of} {label}": n for of, n in told if n is not None})
        return None


class UprightTable:
    """A table of two columns: a name and its number a line, up to the next rule."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._section = ""
        self.is_open = False

    def takes(self, raw: bytes) -> bool:
        """Whether a line is a row of such a table; then it is kept."""
        cells = raw.strip().strip(b"|").split(b"|")
        if len(cells) != _LEAST:
            return False
        name, value = (cell.strip().decode("utf-8", "replace") for cell in cells)
        if not value and name.endswith("/"):
            self._section = name
            self.is_open = True
            return True
        found = _number(plain(value))
        if found is None or not name or _number(name) is not None:
            return False
        self._values[f"{self._section}{name}"] = found
        self.is_open = True
        return True

    def rows(self, epoch: int | None) -> Iterator[Row]:
        """The row of the table that ended, if there was one.

        Args:
            epoch: the one that is running: that of a table which names no moment.
        """
        row = self.done()
        if row is None:
            return
        if row.epoch is not None or row.step is not None:
            yield Row(epoch=row.epoch, step=row.step, values=row.values)
        elif epoch is not None:
            yield Row(epoch=epoch, values=row.values)

    def done(self) -> TableRow | None:
        """The table that ended; None where there was none."""
        values, self._values, self._section = self._values, {}, ""
        self.is_open = False
        if not values:
            return None
        named = {name.rpartition("/")[2].lower(): value for name, value in values.items()}
        epoch = next((_counted(named[name]) for name in sorted(_EPOCHS) if name in named), None)
        step = next((_counted(named[name]) for name in _UPRIGHT_STEPS if name in named), None)
        return TableRow(values, epoch, None if step is None else int(step))


def _counted(value: float | None) -> float | None:
    """A count of epochs or steps, an int where it is whole; None where it can be none."""
    found = number(value)
    return None if found is None or found < 0 else position(found)


def head_of(line: str) -> TextTable | None:
    """The table that a line is the head of."""
    for text in _readings(line):
        bare = _BAR.sub("", text).rstrip(": \t")
        for separator in _separators(bare):
            names = _named(_cells(bare, separator))
            if separator == "|" and not names[0] and _are_splits(names[1:]):
                return SplitTable(names[1:], separator)
            if _is_head(names) and not (separator == "  " and any(map(_are_several, names))):
                return TextTable(names, separator)
        if bare.startswith("epoch "):
            names = [bare[at : at + _WIDTH].strip() for at in range(0, len(bare), _WIDTH)]
            if _is_head(names):
                return TextTable(names, " ")
    return None


def bare_table_of(line: str) -> TextTable | None:
    """The table that a line is a row of, of the ones that are known to have no head.

    YOLOv5 up to 2021 and YOLOv7 write their ``results.txt`` so.
    """
    if _OF_YOLO.match(line) is None:
        return None
    cells = line.split()
    return TextTable(_YOLO, " ") if len(cells) == len(_YOLO) else None


def _readings(line: str) -> Iterator[str]:
    """The line, and what stands behind the prefix of a logger."""
    if not line.isascii():
        line = line.translate(_DRAWN)
    is_comment = line[:1] == "#"
    if not is_comment:
        yield line
    found = _PREFIX.match(line)
    if found is not None and found.end() < len(line):
        yield line[found.end() :]
    if is_comment:
        yield line


def _separators(text: str) -> Iterator[str]:
    if text.count("|") >= _LEAST:
        yield "|"
        return
    for separator in ("\t", ";", ","):
        if text.count(separator) >= _LEAST - (separator == ","):
            yield separator
    yield "  "
    yield " "


def _cells(text: str, separator: str) -> list[str]:
    if separator == "|":
        text = text.strip()
        return [cell.strip().strip("*") for cell in text.strip("|").split("|")]
    if separator == "  ":
        return re.split(r"\s{2,}|\t", text.strip())
    if separator == " ":
        return text.split()
    return [cell.strip() for cell in text.strip().split(separator)]


def _named(cells: list[str]) -> list[str]:
    """The names of columns; of ``Box(P R mAP50) Mask(P R mAP50)`` each with what it is of."""
    groups = sum("(" in cell and ")" not in cell for cell in cells)
    names, group = [], ""
    for cell in cells:
        name = cell
        if "(" in cell and ")" not in cell:
            group, _, name = cell.partition("(")
        closes = name.endswith(")") and "(" not in name
        name = name.rstrip(")") if closes else name
        names.append(f"{group} {name}" if group and groups > 1 else name)
        if closes:
            group = ""
    return names


def _of_losses(names: Sequence[str]) -> list[str]:
    """The names of columns; beside `obj`, `cls` and `total` a `GIoU` is a loss as they are."""
    parts = [name for name in names if name.lower() in _PARTS]
    if len(parts) <= _LEAST:
        return list(names)
    return [f"{name} loss" if name in parts else name for name in names]


def _are_several(name: str) -> bool:
    """Whether columns stand so close that a single blank is between their names."""
    parts = name.split()
    return len(parts) > 1 and all("_" in part for part in parts) and any(map(is_watched, parts))


def _are_splits(names: list[str]) -> bool:
    return len(names) >= _LEAST and all(name.lower() in SPLIT_WORDS for name in names)


def _is_head(names: list[str]) -> bool:
    if not _LEAST <= len(names) <= _MOST or len({*names}) < len(names) - 1:
        return False
    if any(not name or _number(name) is not None or len(name) > 60 for name in names):
        return False
    if any("=" in name or (":" in name and "@" not in name) for name in names):
        return False
    counts = any(name.lower() in _EPOCHS | _STEPS for name in names)
    measures = sum(is_watched(name) for name in names)
    leads = names[0].lower() in _EPOCHS and len(names) >= _MANY
    return measures >= _LEAST or (counts and measures >= 1) or leads


def _number(cell: str) -> float | None:
    """The number in a cell: ``40.4G`` and ``64.1%`` are some, a time is none."""
    found = _OF.match(cell)
    if found is not None:
        return float(found[1])
    text = _UNIT.sub("", cell)
    if _NUMBER.match(text) is not None:
        return float(text)
    return None
