"""Writes healthy checkpoints with whichever torch runs this: nothing else is needed.

    python -m tests.benchmarks.healthy_writer FOLDER [--quick]

Into ``FOLDER/LAYOUT/FAMILY/...`` goes everything in every layout that this torch can write. The
last line of the output is JSON: the version of torch, and what it could not make, and why.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

__all__ = ["LAYOUTS", "Writer", "write_all"]

LAYOUTS = ("zip", "zip, no CRC", "legacy", "safetensors", "torchscript")
_IMPOSSIBLE = (
    *(AttributeError, AssertionError, ImportError, KeyError, NotImplementedError),
    *(pickle.PicklingError, RuntimeError, TypeError, ValueError),
)


class Writer:
    """Puts objects under a name, once in every layout.

    Attributes:
        root: where the folders of the layouts are made.
        quick: whether a share of everything will do.
        impossible: what this torch cannot make -> why.
    """

    def __init__(self, root: Path, *, quick: bool, layouts: tuple[str, ...] = ()) -> None:
        self.root = root
        self.quick = quick
        self.impossible: dict[str, str] = {}
        self._savers = {"zip": _save_zip, "legacy": _save_legacy}
        if hasattr(torch.serialization, "set_crc32_options"):
            self._savers["zip, no CRC"] = _save_without_crc
        if quick:
            self._savers.pop("zip, no CRC", None)
        for other in set(self._savers) - set(layouts or self._savers):
            del self._savers[other]

    def path(self, layout: str, name: str) -> Path:
        """Where a file of this name lies; its folder exists."""
        path = self.root / layout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, name: str, obj: object, **options: Any) -> None:
        """The object in every layout of ``torch.save`` that can hold it."""
        for layout, saver in self._savers.items():
            with self.attempt(f"{layout}: {name}"):
                path = self.path(layout, name)
                try:
                    saver(obj, path, options)
                except BaseException:
                    path.unlink(missing_ok=True)  # half a file is not a healthy one
                    raise

    def save_safetensors(self, name: str, tensors: dict[str, Any]) -> None:
        """A dict of tensors as safetensors, copies of those that share memory."""
        with self.attempt(f"safetensors: {name}"):
            from safetensors.torch import save_file

            whole = {key: one.detach().clone().contiguous() for key, one in tensors.items()}
            save_file(whole, self.path("safetensors", name), metadata={"format": "pt"})

    def beside(self, name: str, text: str) -> None:
        """A text, such as a log, beside the checkpoints of every layout."""
        for layout in (*self._savers, "safetensors"):
            if (self.root / layout / name).parent.is_dir():
                self.path(layout, name).write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Goes on where this version of torch does not know what is asked of it."""
        try:
            yield
        except _IMPOSSIBLE as error:
            self.impossible[what] = f"{type(error).__name__}: {error}".splitlines()[0][:160]

    def share(self, names: dict[str, Any], every: int) -> dict[str, Any]:
        """All of them, or every so-maniest where a share will do."""
        return dict(list(names.items())[:: every if self.quick else 1])


def _save_zip(obj: object, path: Path, options: dict[str, Any]) -> None:
    torch.save(obj, path, **options)


def _save_legacy(obj: object, path: Path, options: dict[str, Any]) -> None:
    torch.save(obj, path, _use_new_zipfile_serialization=False, **options)


def _save_without_crc(obj: object, path: Path, options: dict[str, Any]) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(obj, path, **options)
    finally:
        torch.serialization.set_crc32_options(True)


def write_all(
    root: Path, *, quick: bool, families: tuple[str, ...] = (), layouts: tuple[str, ...] = ()
) -> Writer:
    """Every family of checkpoints, or those named; what was impossible stands in the writer.

    Args:
        root: the folder for them.
        quick: whether a share of each family will do.
        families: names; none for all.
        layouts: of ``torch.save``; none for all that this torch can write.

    Raises:
        ValueError: there is no family of that name.
    """
    from tests.benchmarks import healthy_kinds, healthy_runs

    every: dict[str, Callable[[Writer], None]] = {
        **healthy_runs.FAMILIES,
        **healthy_kinds.FAMILIES,
    }
    if unknown := set(families) - set(every):
        raise ValueError(f"no such family: {', '.join(sorted(unknown))}")
    writer = Writer(root, quick=quick, layouts=layouts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, family in every.items():
            if not families or name in families:
                torch.manual_seed(0)
                with writer.attempt(f"the rest of {name}"):
                    family(writer)
    return writer


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="a share of everything")
    parser.add_argument("--family", action="append", default=[], help="only this one")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    writer = write_all(options.folder, quick=options.quick, families=tuple(options.family))
    print(json.dumps({"torch": torch.__version__, "impossible": writer.impossible}))


if __name__ == "__main__":
    main()
