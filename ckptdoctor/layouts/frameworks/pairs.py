"""A model beside its optimizer: ``model_epoch_3.pth`` and ``optimizer_epoch_3.pth``.

Scripts write them so: guided-diffusion (``model010000.pt``, ``ema_0.9999_010000.pt``,
``opt010000.pt``), fast-style examples, most that are written by hand.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.part_words import PartWords, is_checkpoint_name, part_words
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.numbered import renumbered

__all__ = ["LAYOUT"]

_NAME = "pair"
_NUMBERS = re.compile(r"\d+")
_NUMBERED = re.compile(
    r"(?:^|[^a-z])(?:epochs?|ep|steps?|iters?|iterations?|checkpoint|ckpt)[-_=. ]?\d{1,12}$"
    r"|^\d{1,12}$",
    re.IGNORECASE,
)
_SAMPLE = 3
_PLACES = frozenset("best last latest final".split())
"""Words that tell which of a run a file is, as a number does."""


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    names = {name: part_words(name) for name in folder.files if is_checkpoint_name(name)}
    models = _Models({name: one for name, one in names.items() if one.role is PartRole.MODEL})
    others: dict[str, list[str]] = defaultdict(list)
    for name, one in names.items():
        if one.role is not PartRole.MODEL and one.is_clear:
            model = models.of(one)
            if model:
                others[model].append(name)
    for model in (*others, *_lonely(models.names, others), *_lonely_in_folder(folder, names)):
        yield _checkpoint(folder, model, others.get(model, []), names)
    yield from _without_model(folder, others, names)


class _Models:
    """The models of a folder, by what their names say beside that."""

    def __init__(self, names: Mapping[str, PartWords]) -> None:
        self.names = names
        self._by_rest: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._by_numbers: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, one in names.items():
            self._by_rest[one.rest].append(name)
            self._by_numbers[one.numbers].append(name)

    def of(self, one: PartWords) -> str:
        """The one whose name is the same but for the part; "" where none or several are."""
        same = self._by_rest.get(one.rest, [])
        if not same and one.numbers:  # opt_10.pt of unet_10.pt
            same = [
                name
                for name in self._by_numbers.get(one.numbers, [])
                if one.words < self.names[name].words
                and _PLACES.isdisjoint(self.names[name].words - one.words)
            ]
        return same[0] if len(same) == 1 else ""


def _lonely(models: Mapping[str, PartWords], paired: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A model that alone of its series has nothing beside it."""
    series = Counter(_NUMBERS.sub("0", name) for name in paired)
    alone: dict[str, list[str]] = defaultdict(list)
    for name in models.keys() - paired.keys():
        alone[_NUMBERS.sub("0", name)].append(name)
    for kind, names in sorted(alone.items()):
        if series[kind] > 1 and len(names) == 1:
            yield names[0]


def _without_model(
    folder: Folder, paired: Mapping[str, Sequence[str]], names: Mapping[str, PartWords]
) -> Iterator[CheckpointFiles]:
    """An optimizer whose model is gone, where those of the same series lie beside theirs."""
    known = {name for own in paired.values() for name in own}
    series: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for model, own in paired.items():
        for name in own:
            series[_NUMBERS.sub("0", name)].append((model, name))
    for name, one in names.items():
        like = series[_NUMBERS.sub("0", name)]
        if name in known or one.role is not PartRole.OPTIMIZER or len(like) < 2:
            continue
        model, other = like[0]
        lost = renumbered(model, other, name)
        if lost not in folder and lost != model:
            yield CheckpointFiles(
                path=folder.path / name,
                layout=_NAME,
                parts=(_part(folder, name, one),),
                absent=(Absent(name=lost, role=PartRole.MODEL, because=f"{name} goes with it"),),
            )


def _lonely_in_folder(folder: Folder, names: Mapping[str, PartWords]) -> Iterator[str]:
    """A model alone in ``epoch_3/``, where the folders of other epochs hold pairs."""
    if len(names) != 1 or not _NUMBERED.search(folder.path.name):
        return
    [(model, one)] = names.items()
    if one.rest or one.role is not PartRole.MODEL:
        return
    kind = _NUMBERS.sub("0", folder.path.name)
    parent = Folder(folder.path.parent)
    others = (
        Folder(parent.path / name)
        for name in parent.folders
        if name != folder.path.name and _NUMBERS.sub("0", name) == kind
    )
    seen = [model in other and _has_more(other) for other in itertools.islice(others, _SAMPLE)]
    if len(seen) > 1 and all(seen):
        yield model


def _has_more(folder: Folder) -> bool:
    every = (part_words(name) for name in folder.files if is_checkpoint_name(name))
    return any(one.role is not PartRole.MODEL and not one.rest for one in every)


def _checkpoint(
    folder: Folder, model: str, others: Sequence[str], names: Mapping[str, PartWords]
) -> CheckpointFiles:
    first = Part(path=folder.path / model, name=model, role=PartRole.MODEL, sibling="model")
    return CheckpointFiles(
        path=folder.path if _is_all(folder, names[model], names) else folder.path / model,
        layout=_NAME,
        parts=(first, *(_part(folder, name, names[name]) for name in others)),
    )


def _is_all(folder: Folder, model: PartWords, names: Mapping[str, PartWords]) -> bool:
    """Whether the folder is what has the number: ``epoch_3/model.pt``."""
    alone = all(one.rest == model.rest for one in names.values())
    return not model.rest and alone and _NUMBERED.search(folder.path.name) is not None


def _part(folder: Folder, name: str, one: PartWords) -> Part:
    return Part(
        path=folder.path / name,
        name=name,
        role=one.role,
        prefix=f"{one.word}.",
        sibling=one.word,
    )


LAYOUT = Layout(name=_NAME, claim=_claim)
