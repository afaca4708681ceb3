"""What those who look on need of the machine that runs a pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.nodes import Node, PickleError
from ckptdoctor.formats.pickle.stack import Stack
from ckptdoctor.formats.source import ByteSource

__all__ = ["Runner"]


class Runner(Protocol):
    """Who runs a pickle, has others watch, and runs the pickles within it.

    Attributes:
        stack: what was pushed since the last mark.
        marks: the stacks below the marks.
    """

    stack: list[Node]
    marks: list[list[Node]]

    @property
    def source(self) -> ByteSource:
        """Where the pickles lie."""

    @property
    def at(self) -> int:
        """The position in the source."""

    @property
    def limits(self) -> Limits:
        """The bounds on the work."""

    def complain(self, error: PickleError) -> None:
        """Remember what is wrong, and go on."""

    def watch(self, opcodes: bytes, then: Callable[[Stack], None]) -> None:
        """Have ``then`` run behind each of these opcodes from now on."""

    def within(self, source: ByteSource, nbytes: int) -> Runner:
        """Another one, for a file of ``nbytes`` in the pickle: it records with this."""

    def run(self, start: int = 0) -> tuple[Node, int]:
        """The object of the pickle at ``start``, and the offset behind its STOP."""
