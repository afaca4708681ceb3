"""The index of a model that lies in shards: ``model.safetensors.index.json``.

Source: ``save_pretrained`` of transformers and diffusers, and ``huggingface_hub``'s
``serialization``: ``{"metadata": {"total_size"}, "weight_map": {tensor: file}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckptdoctor.checkpoint import Role
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Index
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.texts.json_object import read_object

__all__ = ["ShardIndex"]


class ShardIndex:
    """An index, read.

    Attributes:
        name: of the file.
        mapped: the tensors of each shard; None where it is no index.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self.name = name
        self._text = read_object(folder, name) or {}
        self.mapped = _mapped(self._text.get("weight_map"))

    def broken(self, place: Place, *, in_doubt: bool) -> Found:
        """What it costs that it cannot be read.

        Args:
            place: where it lies.
            in_doubt: whether it is not known that all shards are there.
        """
        doubt = ", and whether all shards are there is not known" if in_doubt else ""
        problem = place.problem(
            self.name,
            f"{place.at}{self.name} is cut, or no JSON with a weight_map{doubt}",
            severity=Severity.ERROR,
            remedy="Copy it from another checkpoint of the same model.",
            role=Role.MODEL.value if in_doubt else "",
        )
        return Found(parts=(place.text(self.name),), problems=(problem,))

    def weights(self, place: Place) -> Found:
        """The shards that it names.

        Args:
            place: where it lies.
        """
        mapped = self.mapped or {}
        shards = sorted(mapped.items())
        there = [name for name, _ in shards if name in place.folder]
        lost = [
            place.absent(name, f"{place.at}{self.name} names it", tensors)
            for name, tensors in shards
            if name not in place.folder
        ]
        index = Index(
            name=place.at + self.name,
            mapped={place.at + name: mapped[name] for name in there},
            nbytes=None if lost else _total(self._text),
            tied=_ties(place.folder),
            role=place.role,
            prefix=place.prefix,
        )
        parts = (*map(place.part, there), place.text(self.name))
        return Found(parts=parts, absent=tuple(lost), indexes=(index,))


def _mapped(weight_map: Any) -> dict[str, tuple[str, ...]] | None:
    if not isinstance(weight_map, dict) or not weight_map:
        return None
    found: dict[str, list[str]] = {}
    for tensor, name in weight_map.items():
        if not isinstance(name, str):
            return None
        found.setdefault(name, []).append(tensor)
    return {name: tuple(tensors) for name, tensors in found.items()}


def _total(text: Mapping[str, Any]) -> int | None:
    """The bytes of all tensors; some writers leave it out, or give it as a float."""
    metadata = text.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return int(total) if isinstance(total, int | float) and 0 < total < 1 << 60 else None


def _ties(folder: Folder) -> bool:
    """Whether the configuration lets input and output share weights, which it does unsaid."""
    return (read_object(folder, "config.json") or {}).get("tie_word_embeddings") is not False
