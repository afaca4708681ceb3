"""SpeechBrain: ``save/CKPT+NAME/``, a file for each object that the recipe registered.

Source: speechbrain. ``utils/checkpoints.py``: ``CKPT.yaml`` is written first, and without it a
folder is no checkpoint; the others come in the order of the recipe. ``utils/epoch_loop.py``: a
counter is a number as text. ``dataio/dataloader.py``: so is a loader's place, or ``None``.
``core.py``: ``brain.ckpt`` is YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.texts.flat_yaml import flat_yaml

__all__ = ["LAYOUT"]

_NAME = "speechbrain"
_META = "CKPT.yaml"
_SUFFIX = ".ckpt"
_MODEL = "model"
_COUNTER = re.compile(r"(?:epoch_)?counter")
_TEXT_NBYTES = 1 << 16
_ROLES = (
    (re.compile(r"sched|anneal"), PartRole.SCHEDULER),
    (re.compile(r"optim|opt(?:_|$)|(?:^|_)opt"), PartRole.OPTIMIZER),
    (re.compile(r"scaler"), PartRole.SCALER),
    (re.compile(r"(?:^|_)ema(?:_|$)"), PartRole.EMA),
    (re.compile(r"^dataloader|counter|^brain$"), PartRole.STATE),
    (re.compile(r"tokenizer|label_?encoder|encoder_labels"), PartRole.CUSTOM),
)


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    files = [name for name in folder.files if name.endswith(_SUFFIX)]
    if _META not in folder and not (folder.path.name.startswith("CKPT+") and files):
        return
    parts = sorted((_part(folder, name) for name in files), key=lambda one: _rank(one.role))
    meta = Part(
        path=folder.path / _META,
        name=_META,
        role=PartRole.STATE,
        form=Form.TEXT,
        is_unique=True,  # it tells the time of the save
    )
    yield CheckpointFiles(
        path=folder.path,
        layout=_NAME,
        parts=(*parts, meta) if _META in folder else tuple(parts),
        absent=tuple(_absent(folder, parts)),
        scalars=_scalars(folder, parts),
    )


def _rank(role: PartRole) -> int:
    return [*PartRole].index(role)


def _part(folder: Folder, name: str) -> Part:
    stem = name.removesuffix(_SUFFIX)
    role = next((role for words, role in _ROLES if words.search(stem.lower())), PartRole.MODEL)
    text = _text(folder, name)
    if text is not None and role is PartRole.MODEL:
        role = PartRole.CUSTOM
    return Part(
        path=folder.path / name,
        name=name,
        role=role,
        form=Form.TENSORS if text is None else Form.TEXT,
        prefix="" if stem == _MODEL else f"{stem}.",
    )


def _text(folder: Folder, name: str) -> str | None:
    """What a file says that is a text, as a counter is; None where it is none."""
    if not 0 < folder.nbytes(name) <= _TEXT_NBYTES:
        return None
    text = folder.text(name)
    plain = text is not None and all(one.isprintable() or one in "\r\n\t" for one in text)
    return text if plain and "\ufffd" not in (text or "") else None


def _absent(folder: Folder, parts: list[Part]) -> Iterator[Absent]:
    if _META not in folder:
        because = "SpeechBrain takes no folder for a checkpoint without it"
        yield Absent(name=_META, role=PartRole.STATE, because=because)
    elif "unixtime" not in flat_yaml(folder.text(_META) or ""):
        yield _broken(_META, "it does not say when it was written, as each does")
    for part in parts:
        if part.form is Form.TEXT and (wrong := _wrong(part.path.stem, folder.text(part.name))):
            yield _broken(part.name, wrong)


def _broken(name: str, problem: str) -> Absent:
    return Absent(
        name=name, role=PartRole.STATE, because="SpeechBrain reads it on a resume", problem=problem
    )


def _wrong(stem: str, text: str | None) -> str:
    """What is wrong with a text that SpeechBrain's own classes write; "" for those of others."""
    word = (text or "").strip()
    if _COUNTER.fullmatch(stem) and not word.isdecimal():
        return "it holds no number"
    if stem.startswith("dataloader") and not (word.isdecimal() or word == "None"):
        return "it holds neither a number nor None"
    if stem == "brain" and "step" not in flat_yaml(text or ""):
        return "it holds no step"
    return ""


def _scalars(folder: Folder, parts: list[Part]) -> dict[str, Scalar]:
    """The epoch of the counter, the step of the brain, and what the recipe noted."""
    found: dict[str, Scalar] = {}
    for part in parts:
        text = (folder.text(part.name) or "") if part.form is Form.TEXT else ""
        if _COUNTER.fullmatch(part.path.stem) and (number := text.strip()[:12]).isdecimal():
            found["epoch"] = int(number)
        elif part.path.stem == "brain":
            step = flat_yaml(text).get("optimizer_step")
            if isinstance(step, int) and step > 0:
                found["global_step"] = step
    if _META in folder:
        for key, value in flat_yaml(folder.text(_META) or "").items():
            found.setdefault(key, value)
    return found


LAYOUT = Layout(name=_NAME, claim=_claim)
