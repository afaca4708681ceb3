"""Every layout that is known. Add one: write its module, add it here."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import (
    accelerate,
    archives,
    dcp,
    diffusers,
    fairseq,
    huggingface,
    lightning,
    pairs,
    pointers,
    rank_files,
    speechbrain,
    torchtune,
)
from ckptdoctor.layouts.frameworks.deepspeed import tags as deepspeed
from ckptdoctor.layouts.frameworks.megatron import iterations as megatron
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.plugins import LAYOUTS as PLUGINS
from ckptdoctor.plugins import Plugin, plugins_of

__all__ = ["LAYOUTS", "all_layouts"]

Found = TypeVar("Found")

LAYOUTS: tuple[Layout, ...] = (
    diffusers.LAYOUT,
    accelerate.LAYOUT,
    torchtune.LAYOUT,
    huggingface.LAYOUT,
    lightning.LAYOUT,
    megatron.LAYOUT,
    dcp.LAYOUT,
    deepspeed.LAYOUT,
    speechbrain.LAYOUT,
    fairseq.LAYOUT,
    rank_files.LAYOUT,
    archives.LAYOUT,
    pairs.LAYOUT,
    pointers.LAYOUT,
)
"""Ours. The first that claims a file has it; what holds parts of others comes first."""


def all_layouts() -> tuple[Layout, ...]:
    """Those that installed packages add, then ours: theirs are asked first."""
    return (*added_layouts(), *LAYOUTS)


@functools.cache
def added_layouts() -> tuple[Layout, ...]:
    """The layouts of installed packages; what is none of the kind is left out, and says why."""
    found = []
    for plugin in plugins_of(PLUGINS):
        if isinstance(plugin.value, Layout):
            found.append(_guarded(plugin.value, plugin))
        elif not plugin.error:
            plugin.fail(f"{plugin.value!r} is no ckptdoctor.layouts.layout.Layout")
    return tuple(found)


def _guarded(layout: Layout, plugin: Plugin) -> Layout:
    """The layout, left out from the moment on in which it fails."""

    def asked(ask: Callable[[Folder], Iterator[Found]], folder: Folder) -> Iterator[Found]:
        if plugin.error:
            return
        try:
            found = list(ask(folder))
        except Exception:  # noqa: BLE001  (whatever another package does)
            plugin.fail(traceback.format_exc())
            return
        yield from found

    return replace(
        layout,
        claim=functools.partial(asked, layout.claim),
        pointers=functools.partial(asked, layout.pointers),
    )
