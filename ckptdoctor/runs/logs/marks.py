"""Where a line of text names the moment that it speaks of: an epoch, a step, or both.

``Epoch 89``, ``[89/120]``, ``Epoch(train) [3][50/100]``, ``Train: 88 [...]``, ``'epoch': 0.33``,
``E3``, ``第3轮``; ``step 1500``, ``iter: 19``, ``Iter [50/160000]``, ``iteration 100/ 5000``, and
the ``Train loss 499 0.51`` of Tacotron, whose first number is the step.
"""

from __future__ import annotations

import re

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs.log_reading import epoch_of

__all__ = ["ELSEWHERE", "Mark", "find_mark", "fraction_in", "is_of_epoch"]

_WORDS = "|".join(
    (
        *("epoch[ea]?", "ep", "epo[ck]a", "époque", "Époque", "época", "Época", "эпоха", "Эпоха"),
        *("dönem", "Dönem"),
        *("エポック", "에포크", "에폭", "轮次", "轮数", "回合", "训练轮"),
    )
)
_BEGINS = r"(?:^|[\]:>|-]\s|INFO\s)\W{0,4}"
"""Where a line begins, behind the stamp of a logger at most."""
_EPOCH = re.compile(
    (
        rf"(?:(?<![\w-])|(?<=--)|(?<=\*\*))(?:{_WORDS})\.?(?:\s(?:number|num|no|nr)\b\.?)?(?P<key>['\"],?)?(?:\((?P<phase>\w{{1,12}})\))?"
        r"(?:[\s:=#\[(<]|：|[-_](?=\d)){0,12}['\"]?"
        r"(?P<n>\d{1,7})(?P<fraction>\.\d++(?:e[-+]\d\d)?)?(?![\d.]*+[.\w])"
        r"|第\s?(?P<behind>\d{1,7})\s?(?:/\s?\d{1,7}\s?)?(?:个?epoch|轮|輪|回)"
        r"|(?<![\w-])epochs[\s:=#\[(]{0,5}(?P<of>\d{1,7})\s?/\s?\d"
        r"|^\W*(?P<train>train|valid|val|test)(?:ing|idation)?:?\s++"
        r"(?:(?P<timm>\d{1,7})(?:\s++\[|,\s(?=[a-z][\w ]{0,20}[:=]))"
        r"|\((?P<paren>\d{1,7})/\d{1,7}\))"
        r"|^\W{0,3}\[(?P<said>train|valid|val|test|eval)\w{0,7}:?\s(?P<within>\d{1,7}),\s"
        r"(?=\d{1,9}\s?/\s?\d{1,9}\])"
        r"|\[(?P<paired>\d{1,7})/\d{1,7}\],\s\[\d{1,7}/\d{1,7}\](?=,\sglobal_step)"
        r"|^\s{0,4}\[\s{0,5}(?P<boxed>\d{1,7})\]\s{1,9}(?=\d{1,9}\s{1,3}\|)"
        r"|^\W*(?-i:E)(?P<short>\d{1,7})(?=[\s:|,\])]|/\d)"
        r"|^\W{0,4}(?P<barred>\d{1,7})\|\d{1,10}\|"
        r"|^\s{0,4}(?P<round>\d{1,7}):\s(?=(?:learn|train|val|valid|test|eval):\s)"
        r"|\bepochs?:?\s{1,4}\d{1,3}%\|[^|]{0,200}\|\s?(?P<bar>\d{1,7})/\d"
        r"|(?<![\w./])(?P<before>\d{1,7})(?:/\d{1,7})?epoch(?=[\s:])"
        rf"|{_BEGINS}(?P<ordinal>\d{{1,7}})(?:\.|st|nd|rd|th|º|ª|ème)\s?(?:{_WORDS})(?=[\s:,|-])"
        rf"|{_BEGINS}(?P<listed>\d{{1,7}})(?:\sepoch,\s|,\s(?=\w{{0,12}}loss\s?[=:]))"
        rf"|{_BEGINS}after\s(?P<after>\d{{1,7}})\s(?:training\s)?epoch(?:s|\(s\))?(?=\s?[:,;|-])"
    ).encode(),
    re.IGNORECASE,
)
_KEY = re.compile(
    rb"['\"]epoch['\"]:\s?['\"]?(\d{1,7}(?:\.\d++(?:e[-+]\d\d)?)?)(?![\w.])", re.IGNORECASE
)
"""The epoch of a dictionary, which is faster to find than any."""
_GROUPS = (
    "n",
    "behind",
    "of",
    "timm",
    "paren",
    "within",
    "paired",
    "boxed",
    "short",
    "barred",
    "round",
    "before",
    "bar",
    "ordinal",
    "listed",
    "after",
)
_GLOBAL = re.compile(
    rb"\bglobal[_ ]?(?:step|iter(?:ation)?)s?\W{1,4}(?P<n>\d{1,10})(?![\d.]*+[.\w])", re.IGNORECASE
)
_BRACKETS = re.compile(
    rb"^(?:\[[^\[\]]{0,60}\d\d:\d\d[^\[\]]{0,60}\]\s?)?"
    rb"[^\[]{0,40}\[\s{0,4}(\d{1,7})\s?(?:/|,\s{1,5})\s?\d{1,7}\]"
    rb"|(?:^\s{0,4}|:\d{1,5}\]\s)\[(\d{1,7})\]\s"
    rb"|^\s{0,4}\((\d{1,7})\s?/\s?\d{1,7}\)\s"
    rb"|^\s{0,4}(\d{1,7})/\d{1,7}(?:(?:\([a-z]{1,5}\))?:|\s\|)\s"
    rb"|^\s{0,4}#(\d{1,7}):?\s|^\s{0,4}(\d{1,7})\s\|\s"
)
_BEGINNING = 80
_OF_STEPS = re.compile(rb"\s?/\s?\d{5,7}\]")
"""Behind a number in brackets: nobody trains for so many epochs."""
_NAMED_BEFORE = re.compile(rb"\w(?P<cut>\s(?:(?:after|at|in|of|for)\s|\())$", re.IGNORECASE)
_TOLD_BEHIND = re.compile(
    rb"(?P<total>(?:\s?/\s?\d{1,7})?\)?)\s?(?:[:=]|->|is\s|was\s)\s?"
    rb"[-+(]?(?:\.?\d|nan\b|inf\b|(?:np|tensor|float)\b)",
    re.IGNORECASE,
)
"""What follows on the epoch in `Loss after epoch 3: 0.5`: the value of what is named before."""
_COUNTERS = re.compile(rb"\w\s?[:=]\s{0,12}\d{1,12}\s[|,]\s$")
"""A row of counters: `t_env: 10000 | Episode: 400`."""
_SPLIT_BEFORE = re.compile(
    rb"(?<![^\W_])(train|valid|val|test|eval)(?:ing|idation|uation|uate|_inner)?"
    rb"(?:\s(?:summary|results?|metrics|stats))?\W{1,6}$",
    re.IGNORECASE,
)
_STEP = re.compile(
    rb"(?<![\w/-])(?:(?:global|train|training|optimizer|current|learning)[_ ]?)?"
    rb"(?:step|iter(?:ation)?|itr|round|n?update|num_updates|num_timesteps|episode|kimg|nimg|up\.|gs(?=[:=]))s?"
    rb"(?P<key>['\"])?"
    rb"(?:\((?P<phase>\w{1,12})\))?[\s:=#\[(]{0,14}['\"]?"
    rb"(?P<n>\d{1,3}(?:,\d{3})++|\d\.\d{1,12}e[+]\d\d|\d{1,10})(?![\d.]*+[.\w%])"
    rb"(?:\s?/\s?(?P<of>\d{1,10}))?"
    rb"|(?<![\w-])(?:train|training|val|valid|validation|test|eval)\w{0,4}\s(?:loss|error)"
    rb"\s(?P<bare>\d{1,9})(?::|\s)\s{0,12}(?=[-+]?(?:\d++\.\d|nan|inf))"
    rb"|^\s*(?P<first>\d{1,9})\s(?=(?:train|val|valid|test|eval)\w{0,7}\s[-+]?(?:\d|nan|inf))"
    rb"|^\W{0,4}\d{1,7}\|(?P<barred>\d{1,10})\|"
    rb"|^\s{0,4}(?P<counted>\d{1,9}):\s[-+]?(?:\d{1,9}\.\d{1,12}|nan|inf),\s(?=[-+]?(?:\d|nan|inf))"
    rb"|^\s{0,4}\[\s{0,8}(?P<listed>\d{1,9}),\s{1,9}\d?\.\d{1,12}(?:e[-+]\d\d)?\]\s"
    rb"|^\s{0,4}\[\s{0,5}\d{1,7}\]\s{1,9}(?P<boxed>\d{1,10})(?=\s{1,3}\|)"
    rb"|[*=#-]{3,60}\s[\w\s]{1,60}\bcheckpoint-(?P<headed>\d{1,9})\s[*=#-]{3,60}"
    rb"|^\W{0,2}\[batch=(?P<batch>\d{1,10})"
    rb"|\bsteps?:\s{1,4}\d{1,3}%\|[^|]{0,200}\|\s?(?P<bar>\d{1,9})/\d",
    re.IGNORECASE,
)
_NOT_NOW = re.compile(
    rb"\b(?:best|max|maximum|total|num|number of|start|starting from|last|final|resum\w*|load\w*"
    rb"|restor\w*|every|per|sav\w*|since|from|until|patience|previous|checkpoint|warmup|skip\w*"
    rb"|log|accumul\w*|decay|interval)\W*$",
    re.IGNORECASE,
)
_NOT_NOW_OF_EPOCHS = re.compile(
    rb"\b(?:best|max|maximum|total|num|number of|start|starting from|last|final|resum\w*|load\w*"
    rb"|restor\w*|every|per|sav\w*|since|from|until|patience|previous|checkpoint)\W*$",
    re.IGNORECASE,
)
_BEST_AT = re.compile(
    rb"\bbest\b.{0,60}\b(?:at|in|from|on|of)\W*$|\bbest\b.{0,60}@\s?$", re.IGNORECASE
)
_ASIDE = re.compile(rb"\([^()]{0,20}\bbest\b[^()]{0,60}\)", re.IGNORECASE)
"""What was best, in brackets behind what is now: `PSNR: 34.1 (Best: 34.5 @epoch 12)`."""
_OF_ANOTHER = re.compile(
    rb"\b(?:best|max|top|highest|lowest|improv|sav|load|restor|resum|checkpoint)", re.IGNORECASE
)
_BEST_ROW = re.compile(rb"\b(?:best|max)\w{0,20}\s?[:=]\s?\{['\"]{0,2}$", re.IGNORECASE)
"""A dictionary that is called so: `best_stat: {'epoch': 14, 'coco_eval_bbox': 0.5}`."""
_NUMBER = re.compile(rb"\d|nan|inf", re.IGNORECASE)
_VALIDATED = re.compile(rb"\bIter\((?:val|test)\)")  # in brackets stand its own batches
_ONE_PASS = b"] Complete. Time taken"  # of an evaluator of Ignite, which counts its own passes
_WITHIN = frozenset({b"val", b"valid", b"test", b"eval", b"validation"})


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a line names its moment.

    Attributes:
        epoch, step: as far as they are named.
        start, end: the bytes of the epoch's number and one behind it, empty without one; a line
            of the same shape with the same bytes there is of the same epoch.
        text: those bytes.
        values_from: where the values begin.
        cut: bytes that are no value although they look like one.
        is_bare: whether a part of the data alone names a loss, as in `250 val 2.03`.
        is_alone: whether it is there to name the moment, whatever else the line has.
        in_pairs: whether two pairs of brackets name the epoch, and the batch within it.
        phase: the part of the data that the epoch is named with, or "".
        moves: whether lines of this shape name another moment each.
        in_words: whether it is not only a number in brackets.
        is_amid: whether it is one of a row of names, so that values stand in front of it as well.
        is_in_path: whether it is named in a path, as `time/epoch`: beside an epoch that is not, it
            is a value.
    """

    epoch: Position | None
    step: int | None
    start: int = 0
    end: int = 0
    text: bytes = b""
    values_from: int = 0
    cut: tuple[int, int] = (0, 0)
    phase: bytes = b""
    moves: bool = False
    in_words: bool = True
    is_bare: bool = False
    is_alone: bool = False
    in_pairs: bool = False
    is_amid: bool = False
    is_in_path: bool = False


_STEPS = ("n", "bare", "first", "barred", "counted", "listed", "boxed", "headed", "batch", "bar")
_ALONE = frozenset({"listed", "headed", "batch"})

ELSEWHERE = Mark(None, None)
"""That of a line which speaks of another epoch than the one that is running."""


def find_mark(raw: bytes, *, in_words: bool, in_pairs: bool = False) -> Mark | None:
    """The moment that a line names; None if it names none, ``ELSEWHERE`` if another than now.

    Args:
        raw: the line.
        in_words: whether this log has named epochs in words already: then ``[3/10]`` is none.
        in_pairs: whether it has named them as ``[3/10][50/391]``: then ``[3/10]`` alone is none.
    """
    if b"(" in raw and (b"est" in raw or b"EST" in raw):
        raw = _ASIDE.sub(_blank, raw)
    step = _find_step(raw)
    found = _EPOCH.search(raw)
    if found is None:
        is_open = step is None and _VALIDATED.search(raw) is None
        may_tell = is_open and (not in_words or b"[" in raw[:_BEGINNING])
        brackets = _BRACKETS.search(raw) if may_tell else None
        if brackets is None:
            return step
        start, end = brackets.span(brackets.lastindex or 0)
        if _OF_STEPS.match(raw, end) is not None:
            step_there = int(brackets[brackets.lastindex or 0])
            return Mark(None, step_there, cut=(start, brackets.end()), moves=True)
        if in_words:
            return step
        is_pair = raw[brackets.end() : brackets.end() + 1] == b"["
        if in_pairs and not is_pair:
            return step
        return Mark(
            int(brackets[brackets.lastindex or 0]),
            None,
            start,
            end + 1,
            raw[start : end + 1],
            values_from=brackets.end(),
            in_words=False,
            in_pairs=is_pair and raw[end : end + 1] != b"]",
        )
    before = raw[: found.start()]
    if _NOT_NOW_OF_EPOCHS.search(before) is not None or (found["n"] == b"1" and _ONE_PASS in raw):
        return ELSEWHERE
    which = next(name for name in _GROUPS if found[name] is not None)
    start, end = found.span(which)
    fraction = found["fraction"] or b""
    if _BEST_AT.search(before) or (b"{" in before and _BEST_ROW.search(before)):
        return ELSEWHERE
    opens = before.rfind(b"{")
    behind = _NAMED_BEFORE.search(before)
    told = None if behind is None else _TOLD_BEHIND.match(raw, found.end())
    if behind is not None and told is not None:
        cut = behind.start("cut"), max(found.end(), told.end("total"))
        return Mark(int(found[which]), None, start, end + 1, raw[start : end + 1], cut=cut)
    ends = _NUMBER.search(raw, found.end()) is None and _NUMBER.search(before) is not None
    as_key = found["key"] is not None or before.lstrip()[:1] == b"{"
    if ends and _OF_ANOTHER.search(_title(before) if as_key else before) is not None:
        return ELSEWHERE
    named = (found["train"] or b"").lower()
    phase = found["phase"] or (b"val" if named == b"test" else named if found["paren"] else b"")
    phase = phase or (found["said"] or b"").lower()
    if not phase and (said := _SPLIT_BEFORE.search(before)) is not None:
        phase = said[1].lower()
    number = found[which] + fraction
    end += len(fraction) + 1
    return Mark(
        float(number) if fraction else int(number),
        None if step is None else step.step,
        start,
        end,
        raw[start:end],
        values_from=max(opens, 0) if as_key else 0 if ends else found.end(),
        cut=found.span() if ends else (0, 0),
        phase=phase,
        moves=bool(fraction) or step is not None,
        is_bare=which == "round",
        is_amid=before.rstrip()[-1:] in (b",", b"|", b";"),
        is_in_path=before[-1:] == b"/",
    )


def _find_step(raw: bytes) -> Mark | None:
    """The step that a line names: of a validation's ``Iter(val) [125/125]`` it is none."""
    found = _STEP.search(raw)
    if found is not None and found[0][:7].lower() == b"episode":
        found = _STEP.search(raw, found.end()) or found  # beside a step they are no clock
    if found is None or _NOT_NOW.search(raw[: found.start()]) is not None:
        return None
    if (found["phase"] or b"").lower() in _WITHIN:
        return None
    which = next(name for name in _STEPS if found[name] is not None)
    told = _GLOBAL.search(raw) if which == "n" else None
    if told is not None:
        return Mark(None, int(told["n"]), cut=told.span(), moves=True)
    cut = (0, 0) if which == "bar" else found.span(which) if which != "n" else found.span()
    step = int(float(found[which].replace(b",", b"")))
    before = raw[: found.start()]
    is_alone = which in _ALONE or (which == "n" and _COUNTERS.search(before) is not None)
    behind = _NAMED_BEFORE.search(before) if which == "n" else None
    told = None if behind is None else _TOLD_BEHIND.match(raw, found.end())
    if behind is not None and told is not None:
        return Mark(None, step, cut=(behind.start("cut"), told.end("total")), moves=True)
    return Mark(None, step, cut=cut, moves=True, is_bare=which == "first", is_alone=is_alone)


def _title(before: bytes) -> bytes:
    """What stands before a dictionary, and its first key; the others name values beside it."""
    above, brace, row = before.rpartition(b"{")
    return above + brace + (row.partition(b",")[0] if brace else row)


def _blank(found: re.Match[bytes]) -> bytes:
    return b" " * len(found[0])


def is_of_epoch(raw: bytes, mark: Mark, epoch: int | None) -> bool:
    """Whether a line is of the epoch that is running.

    Args:
        raw: of the shape of the line that the mark is of.
        mark: of that line.
        epoch: the one that is running.
    """
    if mark.epoch is None:
        return True
    if isinstance(mark.epoch, float):
        fraction = fraction_in(raw)
        return fraction is not None and epoch_of(fraction) == epoch
    return raw[mark.start : mark.end] == mark.text


def fraction_in(raw: bytes) -> float | None:
    """The fraction of epochs that a line names."""
    key = _KEY.search(raw)
    if key is not None:
        return float(key[1])
    found = _EPOCH.search(raw)
    if found is None or found["n"] is None:
        return None
    return float(found["n"] + (found["fraction"] or b""))
