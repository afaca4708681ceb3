"""Lines of text that name an epoch and its values, in the many ways in which scripts print them.

``Epoch 89: Loss: 0.2234 | IoU: 0.6434 | LR: 0.000145`` is the usual one. Known relatives: the
epoch on a line of its own with the values below it; ``[89/120]``; the ``Epoch: [1][10/100] Loss 0.5
(0.6)`` of PyTorch's examples, where the mean stands in brackets; ``Epoch(val) [3][20/20]`` of
MMEngine; ``Train: 88 [...]`` of timm; dictionaries of the Hugging Face Trainer; progress bars that
are drawn over themselves; colours, and timestamps in front.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ckptdoctor.metadata import Source, named_metric
from ckptdoctor.runs.logs.ahead import LinesAhead
from ckptdoctor.runs.logs.collect import Row
from ckptdoctor.runs.logs.numbers import number
from ckptdoctor.runs.logs.pattern import LogPattern

__all__ = ["VARYING", "LineReader", "epoch_of", "is_watched"]

_LINE_CHARS = 4000
_MOST_SHAPES = 500
VARYING = bytes(b for b in range(256) if b >= 0x80 or chr(b) in "0123456789.+-#=>%?: \t")
"""What differs between two lines of one shape: numbers, and the bar that shows the progress."""
_NUMBER = (
    r"[-+]?(?:\d++\.?\d*+(?:[eE][-+]?\d++)?|\.\d++(?:[eE][-+]?\d++)?"
    r"|[nN][aA][nN]|[iI][nN][fF](?:inity)?)(?![\w.])"
)
_WORD = r"(?<![\w@./])[A-Za-z_][\w@./-]*+"
# What makes a pair of a word is optional, so that a word without a number is passed over in one
# step: `a-a-a-a` would be tried from each of its letters, as far as it reaches.
_PAIR = re.compile(
    rf"({_WORD}(?:\([A-Z]\))?)(?:(?:\[[^\]\s]{{1,20}}\])?['\"]?\s?[:=]\s*+['\"]?(?:tensor\()?"
    rf"({_NUMBER})(?:\s?\(({_NUMBER})\))?)?"
)
_SPACED = re.compile(rf"({_WORD})(?:\s++({_NUMBER})(?:\s?\(\s*+({_NUMBER})\))?)?")
_ANSI = re.compile(rb"\x1b\[[0-9;?]*+[ -/]*+[@-~]")
_EPOCH = re.compile(
    rb"(?<![\w-])(?:epoch|ep)(?P<key>['\"])?(?:\((?P<phase>\w{1,12})\))?[\s:=#\[(]{0,5}"
    rb"(?P<n>\d{1,7})(?P<fraction>\.\d++)?(?![\d.]*+[.\w])"
    rb"|(?<![\w-])epochs[\s:=#\[(]{0,5}(?P<of>\d{1,7})\s?/\s?\d"
    rb"|^\W*(?P<train>train|test)(?:ing)?:?\s++(?P<timm>\d{1,7})\s++\[",
    re.IGNORECASE,
)
_BRACKETS = re.compile(rb"^[^\[]{0,40}\[\s?(\d{1,7})\s?/\s?\d{1,7}\]")
_NOT_NOW = re.compile(
    rb"\b(?:best|max|maximum|total|num|number of|start|starting from|last|final|resum\w*|load\w*"
    rb"|restor\w*|every|per|sav\w*|since|from|until|patience|previous|checkpoint)\W*$",
    re.IGNORECASE,
)
_NOT_HERE = re.compile(
    rb"\b(?:best|max|total|final|resum|load|restor|sav|previous|checkpoint|early|improv)",
    re.IGNORECASE,
)
_BEGINS_WITH = re.compile(r"\W{0,4}(train|val|valid|test|eval)[a-z]{0,7}\b", re.IGNORECASE)
_PHASE = re.compile(r"(?:^|[\s\]:>|*-])(train|val|valid|test|eval)[a-z]{0,7}\b", re.IGNORECASE)
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "eval"})
_TIME = re.compile(rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)")
_LABELS = ("loss", "lr", "grad_norm", "grad norm", "gradnorm", "learning_rate", "learning rate")
_RATES = ("lr", "rate")
_WATCHED = re.compile(
    rb"loss|acc|iou|dice|map|auc|f1|lr|norm|psnr|ssim|err|mae|mse|ppl|score|fid|wer|prec|recall"
    rb"|rouge|bleu|fitness|top|perplex",
    re.IGNORECASE,
)


def is_watched(name: str) -> bool:
    """Whether a value is a metric, a loss, a learning rate or a gradient norm."""
    lower = name.lower()
    return (
        lower.endswith(_LABELS)
        or lower.startswith(_LABELS)
        or named_metric(name, 0.0, Source.LOG) is not None
    )


def epoch_of(value: float) -> int:
    """The epoch that a fraction of epochs lies in: 0.3 and 1.0 both belong to the first."""
    return math.ceil(value - 1e-6)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line of some shape names its epoch.

    Attributes:
        start, end: the bytes of the epoch's number, and one behind it.
        text: those bytes; a line of the same shape with the same bytes is of the same epoch.
        values_from: where the values begin.
        phase: the part of the data that the epoch is named with, or "".
    """

    start: int
    end: int
    text: bytes
    values_from: int
    phase: bytes


_ELSEWHERE = (-1, _Place(0, 0, b"", 0, b""))
"""A line that speaks of another epoch than the one that is running."""


class LineReader:
    """Lines to rows, one row an epoch as soon as the next epoch begins.

    A training script prints the same few shapes of line a million times, and in an epoch the last
    one of each shape stands. So lines are told apart by their shape (without digits), and only the
    last of a shape is read: 100 MB in seconds.

    Args:
        pattern: the user's own; then nothing else is looked for.
    """

    def __init__(self, pattern: LogPattern | None = None) -> None:
        self._pattern = pattern
        self._epoch: int | None = None
        self._counts_in_words = False
        self._shapes: dict[bytes, _Place | None] = {}
        self._pending: dict[bytes, tuple[bytes, _Place | None]] = {}
        self._ahead = LinesAhead()
        self.commands: list[str] = []

    def feed(self, raw: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Args:
            raw: without its line end. Of what a progress bar drew over itself, the last stands.

        Raises:
            SlowLineError: the user's pattern was stopped at the line.
            ValueError: it matches, and what it calls a number is none.
        """
        if self._pattern is not None:
            row = self._by_pattern(raw, self._pattern)
            if row is not None:
                yield row
            return
        for part in raw.split(b"\r") if b"\r" in raw else (raw,):
            yield from self._feed(part)

    def flush(self) -> Iterator[Row]:
        """What is known of the epoch that is being read; more may come."""
        yield from self._flush()
        if self._epoch is not None and self._ahead.expected and self._ahead.lines:
            values: dict[str, float] = {}
            for raw in self._ahead.lines.values():
                values |= _watched(raw)
            bad = {name: value for name, value in values.items() if not math.isfinite(value)}
            if bad:  # the epoch that they belong to may never be named
                yield Row(epoch=self._epoch + 1, values=bad)

    def _flush(self) -> Iterator[Row]:
        pending, self._pending = self._pending, {}
        if self._epoch is None or not pending:
            return
        values: dict[str, float] = {}
        time_s = None
        for shape, (raw, place) in pending.items():
            if place is None:
                self._shapes.pop(shape, None)  # the next line of this shape counts again
            line = raw[:_LINE_CHARS]
            text = line[0 if place is None else place.values_from :].decode("utf-8", "replace")
            phase = place.phase.decode() if place is not None else ""
            found = _values(text, phase or _phase_of(line.decode("utf-8", "replace")))
            if place is None:
                found = {name: value for name, value in found.items() if is_watched(name)}
            values |= found
            time_s = _time(line) or time_s
        if values:
            yield Row(epoch=self._epoch, values=values, step=_step(values), time_s=time_s)

    def _feed(self, raw: bytes) -> Iterator[Row]:
        if b"\x1b" in raw:
            raw = _ANSI.sub(b"", raw)
        shape = raw[:_LINE_CHARS].translate(None, VARYING)
        if self._ahead.holds(shape):
            self._ahead.keep(shape, raw)
            return
        if shape in self._shapes:
            place = self._shapes[shape]
            if place is None:
                if shape in self._pending:  # the last of its shape stands
                    del self._pending[shape]
                    self._pending[shape] = raw, None
                return
            if raw[place.start : place.end] == place.text:
                self._pending.pop(shape, None)
                self._pending[shape] = raw, place
                if self._ahead.expected:
                    self._name(raw, place)
                return
        yield from self._feed_new(raw[:_LINE_CHARS], shape)

    def _feed_new(self, raw: bytes, shape: bytes) -> Iterator[Row]:
        """A line whose shape is new, or whose epoch is."""
        found = self._find_epoch(raw)
        if found is None:
            yield from self._feed_below(raw, shape)
            return
        if found is _ELSEWHERE:
            self._note_command(raw)
            return
        epoch, place = found
        if epoch != self._epoch:
            yield from self._flush()
            self._epoch = epoch
            self._shapes = {}
        self._name(raw, place)
        self._remember(shape, place)
        self._pending[shape] = raw, place
        if len(self._pending) >= _MOST_SHAPES:
            yield from self._flush()

    def _name(self, raw: bytes, place: _Place) -> None:
        """The lines above one that names an epoch are of that epoch, where the log does so."""
        line = raw[place.values_from : _LINE_CHARS].decode("utf-8", "replace")
        names = (name for name in _values(line, "") if not name.lower().endswith(_RATES))
        has_values = any(is_watched(name) for name in names)
        for shape, above in self._ahead.named(has_values=has_values).items():
            self._pending[shape] = above, None

    def _feed_below(self, raw: bytes, shape: bytes) -> Iterator[Row]:
        """A line without an epoch belongs to the one above it, if it holds metrics."""
        self._note_command(raw)
        if self._ahead.takes(shape):
            if _holds_values(raw):
                self._ahead.keep(shape, raw)
            return
        if self._epoch is None:
            return
        if _holds_values(raw):
            self._pending[shape] = raw, None
        self._remember(shape, None)
        if len(self._pending) >= _MOST_SHAPES:
            yield from self._flush()

    def _remember(self, shape: bytes, place: _Place | None) -> None:
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes = {}
        self._shapes[shape] = place

    def _find_epoch(self, raw: bytes) -> tuple[int, _Place] | None:
        """The epoch that a line names, and where."""
        found = _EPOCH.search(raw)
        if found is not None:
            before = raw[: found.start()]
            if _NOT_NOW.search(before) is not None:
                return _ELSEWHERE
            which = next(name for name in ("n", "of", "timm") if found[name] is not None)
            start, end = found.span(which)
            fraction = found["fraction"] or b""
            self._counts_in_words = True
            as_key = found["key"] is not None or before.lstrip()[:1] == b"{"
            phase = found["phase"] or (
                b"val" if (found["train"] or b"").lower() == b"test" else b""
            )
            end += len(fraction) + 1
            place = _Place(start, end, raw[start:end], 0 if as_key else found.end(), phase)
            number = found[which]
            return (epoch_of(float(number + fraction)) if fraction else int(number)), place
        if not self._counts_in_words and (found := _BRACKETS.search(raw)) is not None:
            line = raw[found.end() :].decode("utf-8", "replace")
            if any(is_watched(name) for name in _values(line, "")):
                start, end = found.span(1)
                place = _Place(start, end + 1, raw[start : end + 1], found.end(), b"")
                return int(found[1]), place
        return None

    @staticmethod
    def _by_pattern(raw: bytes, pattern: LogPattern) -> Row | None:
        line = _ANSI.sub(b"", raw[:_LINE_CHARS])
        groups = pattern.groups_of(line.decode("utf-8", "replace"))
        if "epoch" not in groups:
            return None
        epoch = number(_bare(groups.pop("epoch")))
        if epoch is None:
            raise ValueError("the epoch is no number")
        values = {name: float(_bare(text)) for name, text in groups.items()}
        return Row(epoch=epoch_of(epoch), values=values, time_s=_time(line))

    def _note_command(self, raw: bytes) -> None:
        if b".py" not in raw and b"torchrun" not in raw and b"python -m" not in raw:
            return
        line = raw.decode("utf-8", "replace")
        found = _COMMAND.search(line)
        if found is None or "--" not in line[found.end() :]:
            return
        command = line[found.start(1) :].strip()
        if command not in self.commands:
            self.commands = [*self.commands, command][-5:]


_COMMAND = re.compile(
    r"(?:^|[$>!#+]\s|command(?: line)?: ?|cmd: ?|argv: ?)"
    r"((?:[A-Z_][A-Z0-9_]*=\S+ ){0,20}(?:python[\d.]*|torchrun|accelerate launch|deepspeed) )",
    re.IGNORECASE,
)


def _holds_values(raw: bytes) -> bool:
    """Whether a line that names no epoch tells of how one went."""
    head = raw.partition(b":")[0]
    if _NOT_HERE.search(head) is not None or _WATCHED.search(raw) is None:
        return False
    return any(is_watched(name) for name in _values(raw.decode("utf-8", "replace"), ""))


def _watched(raw: bytes) -> dict[str, float]:
    """The metrics and losses of a line that names no epoch."""
    line = raw[:_LINE_CHARS].decode("utf-8", "replace")
    found = _values(line, _phase_of(line))
    return {name: value for name, value in found.items() if is_watched(name)}


def _values(text: str, phase: str) -> dict[str, float]:
    """The pairs of a name and a number; of ``now (mean)`` the mean.

    Raises:
        ValueError: never; what is no number is no pair.
    """
    found = {}
    pairs = [pair for pair in _PAIR.finditer(text) if pair[2]]
    if not pairs:
        pairs = [pair for pair in _SPACED.finditer(text) if pair[2] and is_watched(pair[1])]
    for pair in pairs:
        name = pair[1]
        lower = name.lower()
        if lower in ("epoch", "epochs", "ep"):
            continue
        before = text[max(0, pair.start() - 12) : pair.start()].split()
        split = before[-1].lower().strip(":,|[]()") if before else ""
        if split in _SPLITS or split in ("mean", "avg", "best", "grad", "learning", "balanced"):
            name = f"{before[-1].strip(':,|[]()')} {name}"
        elif phase and not _PHASE.search(name.replace("_", " ").replace("/", " ")):
            name = f"{phase} {name}" if is_watched(name) and not lower.endswith("lr") else name
        found[name] = float(pair[3] or pair[2])
    return found


def _phase_of(line: str) -> str:
    """The part of the data that a line begins with: ``val Loss: 0.4 Acc: 0.8``."""
    found = _BEGINS_WITH.match(line)
    return found[1].lower() if found is not None else ""


def _step(values: dict[str, float]) -> int | None:
    step = values.get("step", values.get("global_step", math.nan))
    return int(step) if math.isfinite(step) and step == int(step) and step >= 0 else None


def _time(line: bytes) -> float | None:
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
