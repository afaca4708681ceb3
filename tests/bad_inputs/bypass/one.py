"""One way past a scanner of pickles: how it is made, and who would run it."""

from __future__ import annotations

import enum
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bypass", "Catalogue", "Loader", "Make", "python_of", "shell"]

Make = Callable[[Path], bytes]


class Loader(enum.Enum):
    """What runs the code; the proof does it, in a process of its own."""

    PICKLE = "pickle.load"
    ALL = "pickle.load until the file ends"
    UNPACKED = "pickle.load behind a decompressor"
    NUMPY = "numpy.load(allow_pickle=True)"
    JOBLIB = "joblib.load"
    TORCH = "torch.load(weights_only=False)"
    NONE = "not on this machine"

    def if_installed(self, module: str) -> Loader:
        """This one, or none where the package that would run the code is not there."""
        top = module.partition(".")[0]
        found = top in sys.modules or importlib.util.find_spec(top) is not None
        return self if found else Loader.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """A file that runs code when it is loaded, and was made to look as if it did not.

    Attributes:
        name: unique, in words.
        published: where: a CVE, an advisory of a scanner, or the class of trick.
        make: the bytes; given a path that the code must touch. May put files beside it.
        loader: what would run it.
        suffix: of the file.
    """

    name: str
    published: str
    make: Make
    loader: Loader = Loader.PICKLE
    suffix: str = ".pth"

    def build(self, folder: Path, canary: Path) -> Path:
        """The file."""
        path = folder / f"model{self.suffix}"
        path.write_bytes(self.make(canary))
        return path


class Catalogue:
    """Bypasses, gathered by a decorator of the functions that make them."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.made: list[Bypass] = []

    def add(
        self, name: str, published: str, *, loader: Loader | None = None, suffix: str = ".pth"
    ) -> Callable[[Make], Make]:
        """The function below makes the bytes of one.

        Args:
            name: of the bypass.
            published: where, or the class of trick.
            loader: another than the catalogue's.
            suffix: of the file.
        """

        def register(make: Make) -> Make:
            runs = loader or self.loader
            self.made.append(
                Bypass(name=name, published=published, make=make, loader=runs, suffix=suffix)
            )
            return make

        return register


def shell(canary: Path) -> str:
    """A command for the shell."""
    return f"touch {canary}"


def python_of(canary: Path) -> str:
    """The same as an expression of Python."""
    return f"open({str(canary)!r}, 'w')"
