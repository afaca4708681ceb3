"""diffusers: a pipeline, whose models lie in a folder each.

Source: ``diffusers/pipelines/pipeline_utils.py`` (``save_pretrained``: ``model_index.json`` names
the library and the class of each component, and is written last), ``utils/constants.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import Problem
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.side_files import SideFile, side_files
from ckptdoctor.layouts.texts.json_object import read_object
from ckptdoctor.layouts.texts.kinds import CONFIGURATION, TEXTS, broken_texts
from ckptdoctor.layouts.weights.shards import weights_in

__all__ = ["LAYOUT"]

_INDEX = "model_index.json"
_CONFIG = "scheduler_config.json"
_TEXTS = (
    SideFile(pattern=re.compile(r"scheduler_config\.json"), role=PartRole.ARGS, form=Form.TEXT),
    *CONFIGURATION,
    *TEXTS,
)
_WITHOUT_WEIGHTS = re.compile(r"(?:Scheduler|Tokenizer|TokenizerFast|Processor|Extractor)\d?$")
_OF_OTHERS = (".msgpack", ".onnx", ".xml", ".h5", ".gguf")
_CHECKERS = frozenset({"safety_checker", "watermarker"})
"""Components that pictures go through when they are made: no training depends on them."""


def claim(folder: Folder) -> Iterator[CheckpointFiles]:
    """The folder itself, if a pipeline was saved into it."""
    if _INDEX not in folder and _CONFIG not in folder.below("scheduler"):
        return
    found, components = _told(folder)
    for name, kind in components.items():
        found += _component(folder, name, kind)
    roles = [part.role for part in found.parts] + [lost.role for lost in found.absent]
    if PartRole.MODEL not in roles:
        return
    found += side_files(Place(folder), TEXTS)
    found += broken_texts(folder, found)
    yield CheckpointFiles(
        path=folder.path,
        layout=LAYOUT.name,
        parts=tuple(sorted(found.parts, key=lambda part: part.role is not PartRole.MODEL)),
        absent=found.absent,
        problems=found.problems,
        indexes=found.indexes,
        finished=_INDEX,
    )


def _told(folder: Folder) -> tuple[Found, dict[str, str]]:
    """The index, and the class of each component that it names; "" where it tells none."""
    here = Place(folder)
    pipeline = read_object(folder, _INDEX) or {}
    if "_class_name" in pipeline:
        named = {name: said[1] for name, said in pipeline.items() if _is_component(said)}
        return Found(parts=(here.text(_INDEX),)), named
    components = dict.fromkeys(folder.folders, "")
    if _INDEX in folder:
        return Found(parts=(here.text(_INDEX),), problems=(_broken(here),)), components
    because = f"scheduler/{_CONFIG} is there, and a pipeline is loaded by this file"
    return Found(absent=(Absent(name=_INDEX, role=PartRole.STATE, because=because),)), components


def _is_component(said: object) -> bool:
    """Whether a value is the library and the class of a component that is there."""
    return isinstance(said, list) and len(said) == 2 and isinstance(said[1], str)


def _broken(here: Place) -> Problem:
    return here.problem(
        _INDEX,
        f"{_INDEX} is cut, or names no pipeline: which models belong to it is not known",
        severity=Severity.ERROR,
        remedy="Copy it from another checkpoint of the same pipeline.",
    )


def _component(folder: Folder, name: str, kind: str) -> Found:
    """A model, or what goes with it; ``kind`` is its class, "" where that is not known."""
    role = PartRole.CUSTOM if name in _CHECKERS else PartRole.MODEL
    has_weights = bool(kind) and not _WITHOUT_WEIGHTS.search(kind)
    if name not in folder.folders:
        lost = Absent(
            name=f"{name}/",
            role=role if has_weights else PartRole.ARGS,
            because=f"{_INDEX} names it as a component of the pipeline",
        )
        return Found(absent=(lost,)) if kind else Found()
    place = Place(folder.below(name), f"{name}/", f"{name}.", role)
    weights = weights_in(place)
    found = weights + side_files(place, _TEXTS)
    if has_weights and not weights and not _is_of_another(place.folder):
        because = f"{_INDEX} names {name} as a {kind}"
        found += Found(absent=(place.absent(_usual(place.folder), because),))
    return found


def _is_of_another(folder: Folder) -> bool:
    """Whether the weights are those of another framework, or in a folder of their own."""
    return bool(folder.folders) or any(name.endswith(_OF_OTHERS) for name in folder.files)


def _usual(folder: Folder) -> str:
    """The file that the library of a component writes."""
    config = read_object(folder, "config.json") or {}
    start = "diffusion_pytorch_" if "_diffusers_version" in config else ""
    return f"{start}model.safetensors"


LAYOUT = Layout(name="diffusers", claim=claim)
