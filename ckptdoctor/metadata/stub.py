"""stub"""
from __future__ import annotations
import enum,re
from dataclasses import dataclass
from pathlib import Path
from ckptdoctor.metadata.metric_names import own_words, _word_list
from ckptdoctor.metadata import metric_names as mn
from ckptdoctor.metadata.file_names import _stem
METRIC_WORDS = frozenset(mn._BETTER_HIGH|mn._BETTER_LOW|mn._QUALIFIERS)
@dataclass(frozen=True,slots=True,kw_only=True)
class NameNumber:
    word: str; value: int|float; is_decimal: bool; start: int
@dataclass(frozen=True,slots=True,kw_only=True)
class NameParts:
    words: tuple[str,...]; numbers: tuple[NameNumber,...]
def name_parts(path):
    stem=_stem(path); words=[]; nums=[]
    for m in re.finditer(r"[A-Za-z]+|\d+(?:\.\d+)?",stem):
        t=m[0]
        if t[0].isdigit(): nums.append(NameNumber(word=words[-1] if words else "",value=float(t) if "." in t else int(t),is_decimal="." in t,start=m.start()))
        else: words.append(t.lower())
    return NameParts(words=tuple(words),numbers=tuple(nums))
class Split(enum.Enum):
    VALIDATION="validation"; TRAINING="training"; UNSAID="unsaid"
def split_of(name):
    w=set(_word_list(name))
    if w&{"val","valid","validation","eval","test","dev"}: return Split.VALIDATION
    if w&{"train","training","tr"}: return Split.TRAINING
    return Split.UNSAID
def is_loss(name):
    o=own_words(name); return bool(o) and o[-1] in ("loss","nll","err","error")
def best_of(name):
    return re.sub(r"(?i)(^|_)(best|max|min)(_|$)",lambda m: "_" if m[1] and m[3] else "",name)
def unknown_metrics(names): return []
