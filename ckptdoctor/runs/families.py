"""What the name of a checkpoint says: whose it is, which run of it, and what in it counts.

A name is words and numbers. Words that say what a file is (``checkpoint``, ``epoch``, ``best``)
say nothing about whose it is; what is left is the series: ``unet_epoch_3`` and ``unet_best`` are of
one, ``D_3`` is of another.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import METRIC_WORDS, NameNumber, name_parts

__all__ = ["Name", "folder_inside", "name_of", "run_folder"]

_CLOCK = frozenset(
    "epoch epochs ep e step steps globalstep iter iters iteration iterations it updates".split()
)
_LABELS = frozenset(
    "fold stage phase seed run exp experiment version v ver split cv trial part".split()
)
"""A number behind one of these tells runs apart, and is no place in a run."""
_VERSIONS = frozenset({"v", "ver", "version"})
"""Of these the only number of a name counts: ``net-v1``, ``net-v2``."""
_LAST = frozenset("last latest final current newest".split())
_BEST = frozenset({"best", "top"})
_GENERIC = (
    frozenset(
        """
        checkpoint checkpoints ckpt ckpts chkpt cp model models net network weights weight params
        state dict statedict snapshot save saved backup bak emergency interrupted interrupt crash
        autosave resume recovery recovered periodic full train training best top global rank main
        pytorch torch diffusion adapter at on of nan inf neg good keep kept
        """.split()
    )
    | _CLOCK
    | _LAST
    | METRIC_WORDS
)
_SIDES = frozenset(
    """
    rng state states random optimizer optim scheduler scaler args training grad custom dataloader
    """.split()
)
"""Files that frameworks save beside a model, in the folder of its checkpoint."""
_ONE_EACH = re.compile(
    r"^(?:checkpoint|ckpt|global_?step|step|iter(?:ation)?|epoch|ep|save)[-_=]?(\d+)$",
    re.IGNORECASE,
)
_INSIDE = "checkpoints"
_VERSION = re.compile(r"version_\d+")
_SAYS_WHICH = re.compile(r"[-_. ](?:best|last|latest|final|current|newest|top)$", re.IGNORECASE)
_SHARD = re.compile(r"[-_.]?\d{2,6}[-_]of[-_]\d{2,6}")
_REPAIRED = re.compile(r"[-_.]repaired(?=\.[^.]+\Z|\Z)")
"""What ``ckptdoctor repair`` adds: the file is in the place of the damaged one."""
_AGAIN = re.compile(r"-v(\d+)$")  # what Lightning adds where the name was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of a checkpoint, taken apart.

    Attributes:
        series: the words that say whose it is; () where it says only what it is.
        labels: words with a number that tell runs apart, such as ``("fold", 1)``.
        numbers: the others in their order, but for those with a point.
        inner: those in front of the last one that may tell runs apart: ``bs32``, ``lr_0.1``.
        is_last: whether it calls itself the last.
        is_extra: whether it says which one it is, the best or the last, in place of a number.
        is_shard: whether it is one of several files of one checkpoint.
        is_side: whether it is what frameworks call a file beside the model.
        again: which file of this name it is, where the name was taken; 0 for the first.
        kind: the name before its last number, without a separator at its end.
    """

    series: tuple[str, ...]
    labels: tuple[tuple[str, int | float], ...]
    numbers: tuple[NameNumber, ...]
    inner: tuple[NameNumber, ...]
    is_last: bool
    is_extra: bool
    is_shard: bool
    is_side: bool
    again: int
    kind: str


def name_of(path: Path) -> Name:
    """The name of a file, taken apart; of a file in a folder of its own, that of the folder too."""
    stem, shards = _SHARD.subn("", _REPAIRED.sub("", path.name) or path.name)
    found = _AGAIN.search(name_parts(Path(stem)).stem)
    again = int(found[1]) if found else 0
    bare = stem if found is None else stem.replace(found[0], "", 1)
    parts = name_parts(path.with_name(bare or "model"))
    own = _ONE_EACH.match(path.parent.name)
    is_extra = any(word in _LAST or word in _BEST for word in parts.words)
    labels = _LABELS if is_extra or len(parts.numbers) > 1 else _LABELS - _VERSIONS
    numbers = tuple(n for n in parts.numbers if n.word not in labels and not n.is_decimal)
    if own is not None:
        folder = name_parts(path.parent)
        numbers = (*folder.numbers, *numbers)
    series = tuple(word for word in parts.family if word not in _GENERIC | labels)
    return Name(
        series=series,
        labels=tuple((n.word, n.value) for n in parts.numbers if n.word in labels),
        numbers=numbers,
        inner=tuple(
            n
            for n in parts.numbers
            if numbers and n.start < numbers[-1].start and _may_label(n, parts.stem)
        ),
        is_last=any(word in _LAST for word in parts.words),
        is_extra=is_extra,
        is_shard=bool(shards),
        is_side=own is not None and bool(parts.words) and set(parts.words) <= _SIDES,
        again=again,
        kind=_kind(parts.stem, numbers, path.parent.name if own is not None and not series else ""),
    )


def _kind(stem: str, numbers: tuple[NameNumber, ...], folder: str) -> str:
    if folder:
        return folder.rstrip("0123456789").rstrip("-_=. ")
    if not numbers:
        return _SAYS_WHICH.sub("", stem).rstrip("-_. ") or stem
    at = numbers[-1].start
    before = stem[:at].rstrip("-_=. ")
    return before or stem[at:].lstrip("0123456789-_=. ") or "checkpoint"


def run_folder(path: Path) -> Path:
    """The folder of the run; some write each checkpoint into a folder of its own.

    Lightning's ``version_0/checkpoints`` is that of ``version_0``, where its log and settings lie.
    """
    own = _ONE_EACH.match(path.parent.name)
    folder = path.parent.parent if own is not None and len(path.parts) > 1 else path.parent
    return _version_above(folder) or folder


def folder_inside(path: Path) -> str:
    """What the folder of a version calls the one that its checkpoints lie in; "" for others."""
    return _INSIDE if _version_above(path.parent) is not None else ""


def _version_above(folder: Path) -> Path | None:
    """The folder of a version that a folder of checkpoints is of; None where it is of none."""
    if folder.name not in (_INSIDE, "", ".."):
        return None
    whole = folder
    if folder.parent.name in ("", ".."):
        whole = type(folder)(os.path.abspath(folder))  # noqa: PTH100  (absolute() keeps "..")
    if whole.name != _INSIDE or _VERSION.fullmatch(whole.parent.name) is None:
        return None
    return folder.parent if folder.name == _INSIDE else folder / ".."


def _may_label(number: NameNumber, stem: str) -> bool:
    """Whether a number may tell runs apart, and does not count epochs or steps."""
    attached = number.is_decimal or stem[number.start - 1 : number.start].isalpha()
    return attached and bool(number.word) and number.word not in _GENERIC | _LABELS
