"""What a line of text says: its values, by the marks and words in it, and when it was written."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable

from ckptdoctor.metadata import is_loss
from ckptdoctor.runs.logs.known_lines import mark_of, values_of
from ckptdoctor.runs.logs.letters import LetteredLosses
from ckptdoctor.runs.logs.log_reading import Row, epoch_of
from ckptdoctor.runs.logs.marks import Mark
from ckptdoctor.runs.logs.numbers import number
from ckptdoctor.runs.logs.pairs import begins_with_split, headed_by, may_be_watched
from ckptdoctor.runs.logs.pattern import LogPattern
from ckptdoctor.runs.logs.sections import Sections
from ckptdoctor.runs.logs.settings import tells_settings
from ckptdoctor.runs.logs.shapes import LINE_CHARS, Waiting
from ckptdoctor.runs.logs.spelled import has_decimal_comma
from ckptdoctor.runs.logs.stamps import without_stamp
from ckptdoctor.runs.logs.watched import is_watched

__all__ = [
    "LineValues",
    "Summaries",
    "of_all_classes",
    "row_by_pattern",
    "step_among",
    "time_of",
    "told_once",
]

_SEVERAL = 3
_SHORT = 40
_MEAN = "mean "
_NOT_HERE = re.compile(
    rb"\b(?:best|worst|max|final(?!\s(?:train|val|test|eval)\w{0,8}\s{1,4}\d{1,7}/\d)"
    rb"|resum|load|restor|sav|previous|checkpoint|early|improv)",
    re.IGNORECASE,
)
_ENDS = re.compile(rb"\b(?:done|finish|complet|end of|took|elapsed)", re.IGNORECASE)
_RATES = ("lr", "rate")
_PHASE = re.compile(r"\b(?:iter|epoch|step)\((\w{1,12})\)", re.IGNORECASE)
_OF_A_BATCH = re.compile(rb"\bcount:\s?\d", re.IGNORECASE)
"""So many objects of one batch a mean is of: darknet's `Region 82 Avg (IOU: 0.66), count: 3`."""
_TIME = re.compile(rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)")
_BEST_METRIC = re.compile(
    rb"(?<!new )\bbest (?:metric|score|result|epoch|val)\w{0,10}\b|\bcurrent best,", re.IGNORECASE
)
_OF_A_PASS = re.compile(rb"\b(?:validation|evaluation|val|eval|test)\s$", re.IGNORECASE)
"""`Validation iteration 0` counts the batches of a validation, where no value is beside it."""


class LineValues:
    """The values of lines of one log, whose decimals and sections one line tells of another.

    Args:
        sections: what its headings say.
    """

    def __init__(self, sections: Sections | None = None) -> None:
        self._sections = sections or Sections()
        self._commas = False
        self._said = ""
        self._counts_steps = False
        self._letters = LetteredLosses()

    def of(self, waiting: Waiting, here: Mark | None = None) -> dict[str, float]:
        """Those of a line of which it is known how such lines are read.

        Args:
            waiting: the line.
            here: the moment that it names itself, where that was found already.
        """
        line, known = waiting.raw[:LINE_CHARS], waiting.shape
        if known.table is not None:
            row = known.table.row(line.decode("utf-8", "replace"))
            return {} if row is None else row.values
        if known.mark is None:
            return self.watched(line, known.section)
        mark = known.mark
        if mark.epoch is None:
            mark = here or mark_of(line, in_words=True) or mark
        split = mark.phase.decode() or _split_of(line)
        line = line[: mark.cut[0]] + line[mark.cut[1] :]
        text = line[mark.values_from :]
        split = split or headed_by(text.decode("utf-8", "replace"))
        if self._sections.of_losses:
            return self._losses_in(text, split)
        found = self.of_text(text, split, is_bare=mark.is_bare)
        if mark.values_from and (mark.is_amid or not any(map(is_watched, found))):
            before = line[: mark.values_from]
            found = self.of_text(before, split) | found  # they stand before the moment
        return found

    def _losses_in(self, text: bytes, split: str) -> dict[str, float]:
        """Those of a log that says above them all that they are losses: ``cycle_A`` is one."""
        before, bracket, behind = text.partition(b")")
        text = behind if bracket and b"(" not in before else text  # beside the epoch in brackets
        found = self.of_text(text, split)
        if len(found) < _SEVERAL - 1:  # `End of epoch 3 / 200 Time Taken: 67 sec`
            return found
        return {n if is_watched(n) else f"{n} loss": value for n, value in found.items()}

    def watched(self, raw: bytes, section: str = "") -> dict[str, float]:
        """The metrics and losses of a line that names no epoch.

        Args:
            raw: the line.
            section: the part of the data that a heading above it names.
        """
        line = raw[:LINE_CHARS].decode("utf-8", "replace")
        phase = _PHASE.search(line)
        split = phase[1].lower() if phase else _split_of(raw)
        if line.lstrip()[:1] == "*":  # what sums up the lines above it
            split = split or self._said
        else:
            self._said = split
        found = self.of_text(raw[:LINE_CHARS], split or section)
        return {name: value for name, value in found.items() if may_be_watched(name)}

    def non_finite(self, lines: Iterable[bytes]) -> dict[str, float]:
        """What is NaN or infinite in lines that name no epoch."""
        told: dict[str, float] = {}
        for raw in lines:
            told |= self.watched(raw)
        return {name: value for name, value in told.items() if not math.isfinite(value)}

    def of_text(self, raw: bytes, split: str = "", *, is_bare: bool = False) -> dict[str, float]:
        """Those of a text without the moment that it names."""
        if not self._commas and b"," in raw:
            self._commas = has_decimal_comma(raw.decode("utf-8", "replace"))
        found = values_of(raw, split, commas=self._commas, is_bare=is_bare)
        if b" | " in raw and not any(map(is_watched, found)):
            return found | self._letters.of(raw.decode("utf-8", "replace"))
        return found

    def speaks(self, raw: bytes, mark: Mark) -> bool:
        """Whether a line that names an epoch has values of its own, or says that it is over."""
        if _ENDS.search(raw) is not None:
            return True
        names = self.of_text(raw[mark.values_from : LINE_CHARS])
        return any(is_watched(name) for name in names if not name.lower().endswith(_RATES))

    def are_settings(self, raw: bytes, mark: Mark | None) -> bool:
        """Whether a line that seems to name a moment lists the settings of the script."""
        if mark is None or (b"=" not in raw and b":" not in raw):
            return False
        line = raw[:LINE_CHARS].decode("utf-8", "replace")
        return tells_settings(line, self.of_text(raw[:LINE_CHARS]))

    def count_step(self, raw: bytes, mark: Mark) -> bool:
        """Whether the step that a line names counts: with values beside it, or alone there."""
        bare = without_stamp(raw.strip())
        rest = raw[: mark.cut[0]] + raw[mark.cut[1] :]
        is_alone = len(bare) <= _SHORT and _OF_A_PASS.search(raw[: mark.cut[0]]) is None
        counts = mark.is_alone or is_alone or bare[-1:] == b":" or self.are_told_in(rest)
        self._counts_steps = self._counts_steps or counts
        return counts

    def are_told_at(self, raw: bytes, mark: Mark) -> bool:
        """Whether a line whose epoch is only a number in front of it tells of one.

        In a log that names its steps, `90 | loss 2.31` is of another step.
        """
        is_bare = mark.text[-1:] == b" "
        return not (is_bare and self._counts_steps) and self.are_told_in(raw)

    def are_told_in(self, raw: bytes) -> bool:
        """Whether a line tells of how training went."""
        if _NOT_HERE.search(raw.partition(b":")[0]) is not None:
            return False
        if _BEST_METRIC.search(raw) is not None or _OF_A_BATCH.search(raw) is not None:
            return False
        return any(is_watched(name) for name in self.of_text(raw))


def _split_of(raw: bytes) -> str:
    """The part of the data that a line begins with, behind what a logger prints in front."""
    return begins_with_split(without_stamp(raw[:LINE_CHARS]).decode("utf-8", "replace"))


def of_all_classes(values: dict[str, float], below: set[str]) -> dict[str, float]:
    """The values without those of one class among many: beside a mean IoU an IoU is that.

    Args:
        values: of an epoch.
        below: the names that lines without a mark told.
    """
    of_all = {word.removeprefix(_MEAN) for word in map(str.lower, below) if word.startswith(_MEAN)}
    return {
        name: value
        for name, value in values.items()
        if name not in below or name.lower() not in of_all or is_loss(name)
    }


def told_once(values: dict[str, float], named: set[str]) -> dict[str, float]:
    """The values without what the line of the epoch tells in another spelling.

    What is not finite is news in any spelling: `Loss is nan, stopping training`.

    Args:
        values: of an epoch: `cv_loss`, and `cv loss` of its last batch.
        named: the names that the line of the epoch told.
    """
    spelled = {_letters_of(name) for name in named}
    return {
        name: value
        for name, value in values.items()
        if name in named or not math.isfinite(value) or _letters_of(name) not in spelled
    }


def _letters_of(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


class Summaries:
    """What a log says once more at its end: it does not take the place of an epoch's own value.

    Where every epoch has a line below that names the same value, that one counts; not where it
    comes for the first time after several epochs.
    """

    def __init__(self) -> None:
        self._ended = 0
        self._overruled: set[str] = set()

    def epoch_ends(self) -> None:
        """An epoch is over."""
        self._ended += 1

    def left_out(self, told: dict[str, float], named: set[str]) -> dict[str, float]:
        """What a line below says, without what it only says once more.

        Args:
            told: by that line.
            named: by the line that names the epoch.
        """
        again = named & told.keys()
        if self._ended < _SEVERAL:
            self._overruled |= again
        return {name: value for name, value in told.items() if name not in again - self._overruled}


def row_by_pattern(line: bytes, pattern: LogPattern) -> Row | None:
    """The row that a line is by the user's own pattern; None where it does not match.

    Raises:
        SlowLineError: the pattern was stopped at the line.
        ValueError: it matches, and what it calls a number is none.
    """
    groups = pattern.groups_of(line.decode("utf-8", "replace"))
    if "epoch" not in groups:
        return None
    epoch = number(_bare(groups.pop("epoch")))
    if epoch is None:
        raise ValueError("the epoch is no number")
    values = {name: float(_bare(text)) for name, text in groups.items()}
    return Row(epoch=epoch_of(epoch), values=values, time_s=time_of(line))


def step_among(values: dict[str, float]) -> int | None:
    """The step that stands among the values of an epoch."""
    step = values.get("step", values.get("global_step", math.nan))
    return int(step) if math.isfinite(step) and step == int(step) and step >= 0 else None


def time_of(line: bytes) -> float | None:
    """The time that stands in front of a line, in seconds."""
    found = _TIME.search(line[:60])
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, found.groups())
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None
    return moment.timestamp()


def _bare(text: str) -> str:
    return text.strip().rstrip("%,;|")
