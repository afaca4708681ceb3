"""Far files that will be read soon: each fetched by one request while those before it are read."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

__all__ = ["Ahead"]

_FILES = 16


class _Coming(Protocol):
    """A file that is fetched before it is opened."""

    @property
    def waits(self) -> bool: ...

    def close(self) -> None: ...


class Ahead:
    """What is fetched before it is opened; nothing where files are local.

    Args:
        files: in the order in which they will be opened, each with a function that says whether
            it will not, because it is remembered.
    """

    def __init__(self, files: Iterable[tuple[Path, Callable[[], bool]]]) -> None:
        far = [(path, known) for path, known in files if hasattr(path, "fetched_ahead")]
        counts = Counter(path for path, _ in far)
        self._left = deque((path, known) for path, known in far if counts[path] == 1)
        self._coming: dict[Path, _Coming] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in list(self._coming):
            self.opened(path)

    def begin(self) -> None:
        """Have more of them fetched."""
        while self._left and len(self._coming) < _FILES:
            path, is_known = self._left.popleft()
            if not is_known():
                coming = getattr(path, "fetched_ahead")()  # noqa: B009  (of far paths alone)
                if coming is not None:
                    self._coming[path] = coming

    def waits(self, path: Path) -> bool:
        """Whether there is no room for a file yet, because others are not read."""
        coming = self._coming.get(path)
        return coming is not None and coming.waits

    def opened(self, path: Path) -> None:
        """Told of a file that was opened, or never will be; then nothing is kept for it."""
        if self._coming.pop(path, None) is not None:
            forget = getattr(path, "not_ahead")  # noqa: B009
            forget()
