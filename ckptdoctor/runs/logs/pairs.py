"""Names and numbers of a line: ``loss: 0.4``, ``Acc@1: 66.1 (64.2)``, ``dice [0.5, 0.6]``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from ckptdoctor.metadata import SPLIT_WORDS, Source, is_loss, is_unknown_score, named_metric
from ckptdoctor.runs.logs.coco_lines import of_coco
from ckptdoctor.runs.logs.languages import in_english
from ckptdoctor.runs.logs.spelled import NUMBER, plain
from ckptdoctor.runs.logs.watched import REDUCED_SCALE, is_watched

__all__ = [
    "begins_with_split",
    "headed_by",
    "may_be_watched",
    "values_in",
]

_WORD = r"(?<![\w@./-])[A-Za-z_][\w@./-]*+"
_SEPARATOR = r"(?:\s?[:=]\s*+|\s?(?:->|=>|→|⇒|↦)\s?|\s(?:reached|is|was)(?::\s*+|\s))"
# What makes a pair of a word is optional, so that a word without a number is passed over in one
# step: `a-a-a-a` would be tried from each of its letters, as far as it reaches.
_PAIR = re.compile(
    rf"(?P<name>{_WORD}(?:\([A-Z]\))?)(?:(?:\s?\((?P<of>[^()\d]{{1,16}})\))?"
    rf"(?:\[[^\]\s]{{1,20}}\])?(?P<at>@\[[^\]\n]{{1,20}}\]|\s\.\d{{1,2}}(?=\s?[:=]))?(?:['\"`]?{_SEPARATOR}|['\"],\s)['\"`]?"
    rf"(?:(?P<value>{NUMBER})(?:\s?/\s?(?P<whole>\d++)(?![\w./]))?(?:\s?\(\s*+(?![-+])(?P<mean>{NUMBER})\))?"
    rf"|\[\s*(?P<list>{NUMBER}(?:[\s,]++{NUMBER})*+),?\s*\]))?"
)
_SPACED = re.compile(
    rf"(?P<name>{_WORD})(?:\s?\((?P<of>[^()\d]{{1,16}})\))?(?P<at>(?!))?(?P<whole>(?!))?"
    rf"(?:\s++['\"]?(?:(?P<value>{NUMBER})(?:\s?\(\s*+(?![-+])(?P<mean>{NUMBER})\))?"
    rf"|\[\s*(?P<list>{NUMBER}(?:[\s,]++{NUMBER})*+)\]))?"
)
_BEHIND_NUMBER = re.compile(
    rf"(?<![^\s,:])(?P<value>{NUMBER})\s(?P<name>(?:avg|average|mean)(?:\s[A-Za-z_]{{1,20}})?|rate)(?=,)"
)
"""`0.451 avg loss, 0.001 rate`: a number before its name."""
_DASHED = re.compile(
    rf"(?<![\w-])(?P<name>[A-Za-z_]++)(?P<of>(?!))?(?P<at>(?!))?(?P<whole>(?!))?"
    rf"(?:-|\s-\s)(?P<value>{NUMBER})"
)
_FILE = re.compile(
    r"(?<![^\s'\"])[^\s'\"]{0,300}?\.(?:ckpt|pth?|safetensors|bin|h5|keras|tar|pkl|onnx)"
    r"(?![a-z])[^\s]*"
)
_TUPLE = re.compile(
    rf"\b(train|val|valid|test|eval)[a-z]*\s?[:=]?\s?\(\s*({NUMBER})\s*,\s*({NUMBER})\s*\)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(@\[?\d?\.\d+):(\d?\.\d+)")
"""The thresholds of a mean AP, in its name."""
_NUMBERS = re.compile(rf"(?<![\d.]){NUMBER}")
_SPLIT = re.compile(
    r"(?<![^\W_])(?:(train|trn|crossval|val|vld|valid|test|eval|dev)[a-z]{0,7}|cv)(?![^\W_])",
    re.IGNORECASE,
)
_BEGINS_WITH = re.compile(
    r"\W{0,10}(?:final\s)?(train|trn|val|vld|valid|test|eval|dev)[a-z]{0,7}\b", re.IGNORECASE
)
_HEADED = re.compile(
    r"\W{0,10}(?:evaluating\s(?:on\s)?)?(train|trn|val|vld|valid|test|eval|dev)[a-z]{0,7}:\s",
    re.IGNORECASE,
)
_TWO = re.compile(
    r"\(?(?P<train>\btr(?:ai)?n[a-z]{0,3})\s?/\s?(?P<val>(?:val|vld|test|eval|dev)[a-z]{0,7})\)?"
    rf"(?:[\s_](?P<name>[A-Za-z][\w@-]{{0,30}}))?\s?[:=]?\s{{0,4}}"
    rf"(?P<first>{NUMBER})\s?[/|,]\s?(?P<second>{NUMBER})",
    re.IGNORECASE,
)
_CELL = re.compile(r"\|\s{0,9}(?:train|val|test|eval|dev)[a-z]{0,7}\s{0,9}\|", re.IGNORECASE)
_COLUMNS = re.compile(rf"\s{{0,9}}([A-Za-z][\w/.()@ -]{{1,60}}?)\s{{2,60}}({NUMBER})\s{{0,9}}")
_NAME_BEFORE = re.compile(r"\b([A-Za-z][\w@-]{0,30})\s?:?\s?$")
_BEHIND = SPLIT_WORDS | {"mean", "avg", "average", "overall"}
_JOINED = frozenset(
    "mean avg best ema grad learning balanced lm loss pseudo running macro micro".split()
)
_BAR = re.compile(
    r"(?<![\d.])\d{1,3}%\s?(?:\|[^|A-Za-z]{0,200}\||[━╸─]+)(?:\s?\d{1,9}/\d{1,9}(?![\d.]))?"
)
_ALIGNED = re.compile(r"\s{2,40}:\s")
"""`val_accuracy   : 0.6`, below each other."""
_ASSESSED = re.compile(r"evaluation \w{1,20}", re.IGNORECASE)
_QUOTES = str.maketrans(dict.fromkeys("'\"{}", " "))
_OF_WHAT = re.compile(
    r"\b(?P<name>accuracy|acc|loss|error|iou|dice|f1|score)(?P<what>\s(?:of|on)\s[^:=|,]{1,80})(?=[:=])",
    re.IGNORECASE,
)
_OPENS = re.compile(r"[^\w\s-]")
"""What a name begins behind."""
_IS_MEAN = re.compile(r"(?:avg|mean|average)_", re.IGNORECASE)
"""Of such a name what stands in brackets is something else, as a difference."""
_GENERIC = frozenset({"score", "coefficient", "coef", "index", "metric", "value", "error"})
"""Words that need another one in front of them: the Dice score."""
_LOSSES = frozenset(
    (
        *("surrogate", "value_function", "value", "policy", "entropy", "actor", "critic", "kl"),
        *("classification", "regression", "box", "cls", "obj", "dfl", "mask", "seg", "dice"),
        *("focal", "bce", "ce", "reconstruction", "recon", "perceptual", "adversarial"),
        *("generator", "discriminator", "gen", "disc", "contrastive", "auxiliary", "aux"),
    )
)
"""Words that say which of several losses it is."""
_MARKS = ("epoch", "epochs", "ep")
_SCALED = re.compile(
    rf"(?:attempted loss scale: {NUMBER}, reducing to|reducing loss scale to) ({NUMBER})",
    re.IGNORECASE,
)


def headed_by(text: str) -> str:
    """The part of the data that stands before the values of a line: `test: L1 0.3 PSNR 25.1`."""
    found = _HEADED.match(text)
    if found is None:
        return ""
    split = found[1].lower()
    others = {word[0].lower() for word in _SPLIT.finditer(text, found.end())} - {split}
    return "" if others else split


def begins_with_split(line: str) -> str:
    """The part of the data that a line begins with: ``val Loss: 0.4 Acc: 0.8``; "" without one."""
    found = _BEGINS_WITH.match(line)
    return found[1].lower() if found is not None else ""


def values_in(
    text: str, split: str = "", *, commas: bool = False, is_bare: bool = False
) -> dict[str, float]:
    """The values of a line by their names; of ``now (mean)`` the mean, of a list its mean.

    Args:
        text: without the epoch that it names.
        split: the part of the data that the line is of; a name that says none is of it.
        commas: whether the log writes decimals with a comma.
        is_bare: whether a part of the data alone names its loss.
    """
    text = plain(in_english(text), commas=commas)
    if " of " in text or " on " in text:
        text = _OF_WHAT.sub(_in_short, text)
    text = _levelled(text)
    if "@" in text:
        if (figures := of_coco(text)) is not None:
            return figures
        text = _RANGE.sub(r"\1-\2", text)
    if "/" in text:
        text = _TWO.sub(_apart, text)
    if ".p" in text or ".ckpt" in text or ".safetensors" in text:
        text = _FILE.sub(" ", text)
    if "scale" in text and (scaled := _SCALED.search(text)):
        return {REDUCED_SCALE: float(scaled[1])}
    column = _COLUMNS.fullmatch(text) if "  " in text else None
    if column is not None and is_watched(column[1]):
        return {column[1]: float(column[2])}
    found = _pairs(_PAIR, text)
    if not found:
        told = _is_told if is_bare else may_be_watched
        found = [pair for pair in _pairs(_SPACED, text) if told(pair[0]["name"])]
    if not any(is_watched(pair["name"]) for pair, _ in found):
        loose = [pair for pair in _pairs(_SPACED, text) if is_watched(pair[0]["name"])]
        found = found + loose
    values = dict(_named(text, found, split, is_bare=is_bare))
    if " avg" in text or " mean" in text or " average" in text:
        values |= _behind_numbers(text)
    return values or dict(_tuples(text)) or dict(_dashed(text, split))


def may_be_watched(name: str) -> bool:
    """Whether a value is watched, or looks like a score that nobody knows."""
    return is_watched(name) or is_unknown_score(name)


def _levelled(text: str) -> str:
    """The text without bars, and without the blanks that put its colons below each other."""
    if "  :" in text:
        text = _ALIGNED.sub(": ", text)
    return _BAR.sub(" ", text) if "%" in text else text


def _in_short(found: re.Match[str]) -> str:
    """``test Accuracy`` of ``Accuracy of the network on the 10000 test images``."""
    said = _SPLIT.search(found["what"])
    return f"{said[0]} {found['name']}" if said else found["name"]


def _apart(found: re.Match[str]) -> str:
    """`train loss: 0.4, val loss: 0.5` of `train/val loss: 0.4/0.5` or `loss (train/val): …`."""
    before = _NAME_BEFORE.search(found.string[: found.start()][-40:])
    name = found["name"] or (before[1] if before is not None else "")
    if not name:
        return found[0]
    first, second = found["first"], found["second"]
    return f", {found['train']} {name}: {first}, {found['val']} {name}: {second}"


def _behind_numbers(text: str) -> dict[str, float]:
    """`0.370, 0.451 avg loss, 0.001 rate`; a mean of nothing that is named is that of the loss."""
    told = {found["name"]: float(found["value"]) for found in _BEHIND_NUMBER.finditer(text)}
    short = {"rate": "lr", "avg": "avg loss", "mean": "mean loss", "average": "average loss"}
    return {} if told.keys() <= {"rate"} else {short.get(n, n): v for n, v in told.items()}


def _is_told(name: str) -> bool:
    return is_watched(name) or name.lower() in SPLIT_WORDS


def _pairs(pattern: re.Pattern[str], text: str) -> list[tuple[re.Match[str], float]]:
    pairs = []
    for found in pattern.finditer(text):
        value = _value(found)
        if value is not None:
            pairs.append((found, value))
    return pairs


def _value(found: re.Match[str]) -> float | None:
    """The number of a pair; of a list the mean without the NaN of classes that are not there."""
    if found["list"]:
        numbers = [float(text) for text in _NUMBERS.findall(found["list"])]
        if len(numbers) > 1 and found["name"].lower().startswith("loss"):
            bad = [one for one in numbers if not math.isfinite(one)]
            return bad[0] if bad else None  # of several losses the mean says nothing
        known = [number for number in numbers if not math.isnan(number)]
        return sum(known) / len(known) if known else math.nan
    value, whole = found["value"], found["whole"]
    if value is None:
        return None
    if value.endswith(".") and found.end("value") == len(found.string.rstrip()):
        return None  # the end of a log that is being written
    if found["mean"] and not _IS_MEAN.match(found["name"]):
        return float(found["mean"])
    if whole and value.isdecimal() and float(whole):
        metric = named_metric(found["name"], 0.0, Source.LOG)
        if metric is not None and not is_loss(found["name"]):
            return float(value) / float(whole)  # 9821/10000 that were right
    return float(value)


def _named(
    text: str, pairs: list[tuple[re.Match[str], float]], split: str, *, is_bare: bool = False
) -> Iterator[tuple[str, float]]:
    """The values with the part of the data in their names, as far as the line tells it."""
    counts: dict[str, int] = {}
    for pair, _ in pairs:
        counts[pair["name"].lower()] = counts.get(pair["name"].lower(), 0) + 1
    current, shared, last, of_section = "", "", 0, False
    whole_loss = inside = False
    for pair, value in pairs:
        name, lower = pair["name"].rstrip("-./"), pair["name"].lower()
        if lower in _MARKS or (lower in SPLIT_WORDS and pair["whole"]):
            continue
        between = text[last : pair.start()]
        last = pair.end()
        said = [_in_plain(word) for word in _SPLIT.finditer(between)] if len(between) > 2 else []
        current = said[-1] if said else current
        is_cell = f"[{current}]" in between.lower() or _CELL.search(between) is not None
        is_within = whole_loss and "(" in between and bool(current)
        of_section = is_cell or is_within or (of_section and not said)
        if pair is pairs[0][0] and split == "eval" and current:
            split = current  # `Evaluating train: …`
        inside = ")" not in between and (inside or (whole_loss and "(" in between))
        if inside and not is_loss(name) and text[last : last + 1] != "%":
            name = f"{name} loss"  # Loss: 2.3 (ce: 1.4, dice: 0.9)
        whole_loss = is_loss(name)
        of = (pair["of"] or "").strip().lower()
        name += _of_which(pair) if counts[lower] > 1 else pair["at"] or ""
        before = between[-30:].translate(_QUOTES).split()[-3:]
        words = [word.strip(":,|[]().-") for word in before]
        qualified = _qualified(name, words)
        if of in SPLIT_WORDS:
            name = f"{of} {name}"
        elif qualified != name:
            shared = words[-1] if lower in SPLIT_WORDS else ""
            name = _of_line(split, qualified, name)
        elif lower in SPLIT_WORDS and shared:
            name = f"{name} {shared}"  # `loss train: 0.4, val: 0.5`
        elif not _SPLIT.search(name):
            own = current if (counts[lower] > 1 or of_section) and current else split
            name = _told_apart(name, between) if counts[lower] > 1 else name
            said_of = f"{own} {name}" if own and not _is_rate(lower) else name
            name = said_of if is_watched(name) or (is_within and is_watched(said_of)) else name
        elif lower in SPLIT_WORDS and is_bare:
            name = f"{name} loss"  # `250 val 2.03` is short for that
        elif lower in SPLIT_WORDS and "loss" in counts and not pair["value"].isdecimal():
            name = f"{name} score"  # `Loss: 0.31, Train: 0.88, Val: 0.86`
        yield name, value


def _of_line(split: str, qualified: str, name: str) -> str:
    """A name with words in front of it, and with the part of the data that the line is of."""
    if split[:2] == "tr" and _ASSESSED.fullmatch(qualified):
        return f"{split} {name}"  # `Training: evaluation score 0.7`
    is_open = bool(split) and not _SPLIT.search(qualified) and is_watched(qualified)
    return f"{split} {qualified}" if is_open else qualified


def _in_plain(found: re.Match[str]) -> str:
    """The part of the data that a word names: `val` of a `Validator` too."""
    word = found[0].lower()
    return word if word in SPLIT_WORDS else (found[1] or word).lower()


def _of_which(pair: re.Match[str]) -> str:
    """What tells a value from others of its name: `AP: 0.7  AP .5: 0.9  AP (M): 0.6`."""
    size = (pair["of"] or "").strip()
    return (pair["at"] or "") + (f" ({size.upper()})" if len(size) == 1 else "")


def _qualified(name: str, words: Sequence[str]) -> str:
    """The name with the words that stand in front of it and belong to it."""
    if name.lower() in _BEHIND:  # `IoU mean: 0.6`
        return f"{name} {words[-1]}" if words and is_watched(words[-1]) else name
    if name.lower() == "value" and words and is_watched(words[-1]):
        *words, name = words  # `lm_loss value: 2.4`
    if name.lower() == "rate":  # `test error rate: 4.1`
        *words, name = _with_rate(words, name)
    for word in reversed(words):
        head = name.split(maxsplit=1)[0].lower()
        belongs = word.lower() in SPLIT_WORDS or (word.lower() in _JOINED and word != name)
        if (
            not belongs
            and not (head in _GENERIC and word.replace("_", "").isalpha())
            and not (head == "loss" and word.lower() in _LOSSES)
        ):
            break
        name = f"{word} {name}"
    return name


def _with_rate(words: Sequence[str], name: str) -> list[str]:
    """The words, with those together that name a rate which is a metric."""
    for count in (2, 1):
        whole = " ".join([*words[-count:], name])
        if len(words) >= count and named_metric(whole, 0.0, Source.LOG) is not None:
            return [*words[:-count], whole]
    return [*words, name]


def _told_apart(name: str, between: str) -> str:
    """The name with the words in front of it: `Total Loss: 2.4, Mel Loss: 1.1` are two losses."""
    words = _OPENS.split(between)[-1].split()
    return f"{' '.join(words[-3:])} {name}" if all(map(str.isalpha, words)) and words else name


def _is_rate(lower: str) -> bool:
    return lower.endswith(("lr", "rate"))


def _tuples(text: str) -> Iterator[tuple[str, float]]:
    """``train (0.4, 0.61)``: what an evaluation returns, its loss and then its score."""
    for split, loss, score in _TUPLE.findall(text):
        yield f"{split} loss", float(loss)
        yield f"{split} score", float(score)


def _dashed(text: str, split: str) -> Iterator[tuple[str, float]]:
    """``loss-0.4``."""
    pairs = [(found, float(found["value"])) for found in _DASHED.finditer(text)]
    return _named(text, pairs, split)
