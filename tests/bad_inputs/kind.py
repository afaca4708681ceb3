"""One kind of bad input: how it is made, and what the user reads about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Family", "Kind"]

Build = Callable[[Path], Path | None]
"""Makes the input at this path or beside it, and returns the path to examine if it is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of bad input.

    Attributes:
        name: unique, in words.
        family: what it is a kind of.
        build: makes one.
        code: of the finding that says it; "" where there is no finding, as for a missing path.
        says: part of what the user reads.
        verdict: of the file; "" where it gets none.
        exit_code: of ``ckptdoctor scan`` on it.
        meddle: what happens to the file while it is read; None for nothing.
        meddles_late: it happens when the header was read, and not before.
        why_not: why it cannot be made on this machine; "" where it can.
    """

    name: str
    family: str
    build: Build
    code: str
    says: str
    verdict: str
    exit_code: int
    meddle: Callable[[Path], None] | None = None
    meddles_late: bool = False
    why_not: Callable[[], str] = str


class Family:
    """Kinds of bad input that belong together, in the order in which they are defined."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._kinds: list[Kind] = []

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds)

    def kind(
        self,
        code: str,
        says: str,
        verdict: str = "unreadable",
        exit_code: int = 1,
        *,
        meddle: Callable[[Path], None] | None = None,
        meddles_late: bool = False,
        why_not: Callable[[], str] = str,
    ) -> Callable[[Build], Build]:
        """The function below makes a kind that is named like it; see :class:`Kind`."""

        def add(build: Build) -> Build:
            self._kinds.append(
                Kind(
                    name=build.__name__.replace("_", " ").strip(),
                    family=self.name,
                    build=build,
                    code=code,
                    says=says,
                    verdict=verdict,
                    exit_code=exit_code,
                    meddle=meddle,
                    meddles_late=meddles_late,
                    why_not=why_not,
                )
            )
            return build

        return add

    def bytes(
        self, name: str, data: bytes, code: str, says: str, verdict: str = "unreadable"
    ) -> None:
        """A kind that is nothing but these bytes."""

        def build(path: Path) -> None:
            path.write_bytes(data)

        build.__name__ = name.replace(" ", "_")
        self.kind(code, says, verdict)(build)
