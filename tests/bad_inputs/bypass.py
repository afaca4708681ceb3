"""One way past a scanner of pickles: how it is made, and who would run it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bypass", "Loader", "python_of", "shell"]


class Loader(enum.Enum):
    """What runs the code; the proof does it, in a process of its own."""

    PICKLE = "pickle.load"
    ALL = "pickle.load until the file ends"
    UNPACKED = "pickle.load behind a decompressor"
    NUMPY = "numpy.load(allow_pickle=True)"
    TORCH = "torch.load(weights_only=False)"
    NONE = "not on this machine"


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
    make: Callable[[Path], bytes]
    loader: Loader = Loader.PICKLE
    suffix: str = ".pth"

    def build(self, folder: Path, canary: Path) -> Path:
        """The file."""
        path = folder / f"model{self.suffix}"
        path.write_bytes(self.make(canary))
        return path


def shell(canary: Path) -> str:
    """A command for the shell."""
    return f"touch {canary}"


def python_of(canary: Path) -> str:
    """The same as an expression of Python."""
    return f"open({str(canary)!r}, 'w')"
