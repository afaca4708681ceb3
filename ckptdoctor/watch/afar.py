"""What of a watch lies behind URLs: listed anew at its own pace, through whatever fails there."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ckptdoctor.sources.descriptors import is_far, missing_top_of
from ckptdoctor.sources.errors import NoListError

__all__ = ["FAR_INTERVAL_S", "Afar"]

FAR_INTERVAL_S = 30.0
"""From one listing to the next: a day of them costs S3's customers some cents."""
_BESIDE_S = 300.0
_SHARE = 10.0
"""A listing of very many objects gets a tenth of the time at most."""
_LONGEST_PAUSE_S = 600.0


class Afar:
    """The folder and the logs of a watch, as far as they lie behind URLs.

    Args:
        folder: that is watched.
        interval_s: from one listing to the next.
        took: seconds of a clock that never goes back, by which a listing is timed.

    Attributes:
        is_known: whether all could be asked for the last time.
        changes: how often something was otherwise than before.
    """

    def __init__(
        self, folder: Path, interval_s: float, took: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._interval_s = interval_s
        self._took = took
        self._next_s = float("-inf")
        self._beside_s = float("-inf")
        self._failures = 0
        self._said = self._to_say = ""
        self.is_known = False
        self.changes = 0

    def begin(self, now_s: float, logs: Iterable[Path]) -> None:
        """A first look, which may show that there is nothing to watch.

        Args:
            now_s: of a clock that never goes back.
            logs: that the user named.

        Raises:
            NotADirectoryError: a file is to be watched.
            FileNotFoundError: the bucket that it would lie in is not there. A folder is waited for:
                in a bucket there is none before its first file.
            PermissionError: it must not be listed.
            NoListError: a web server lists no files there.
            OSError: with EINVAL, where nothing can have that name.
        """
        began_s = self._took()
        try:
            self._ask(now_s, logs)
            self._look_for_bucket()
        except (FileNotFoundError, NotADirectoryError, PermissionError, NoListError):
            raise
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise
            self._to_say = self._failed(now_s + self._took() - began_s, error)
            return
        self._next_s = now_s + self._took() - began_s + self._interval_s
        self.is_known = True

    def look(self, now_s: float, logs: Iterable[Path]) -> str:
        """Have all of it be what it is now; a sentence where that failed, or works again.

        What fails is tried again, ever later, and all stays as it was.

        Args:
            now_s: of a clock that never goes back.
            logs: that are followed.
        """
        if now_s < self._next_s:
            said, self._to_say = self._to_say, ""
            return said
        began_s = self._took()
        try:
            self._ask(now_s, logs)
        except OSError as error:
            return self._failed(now_s + self._took() - began_s, error)
        self._next_s = now_s + max(self._interval_s, _SHARE * (self._took() - began_s))
        back, self._said = self._said, ""
        self._failures, self.is_known = 0, True
        return f"{self._folder} can be listed again" if back else ""

    def _look_for_bucket(self) -> None:
        is_there = os.path.isdir(self._folder)  # noqa: PTH112  (in the mirror, as it was listed)
        missing = "" if is_there else missing_top_of(self._folder)
        if missing:
            raise FileNotFoundError(errno.ENOENT, "no such bucket", missing)

    def _ask(self, now_s: float, logs: Iterable[Path]) -> None:
        is_folder_far = is_far(self._folder)
        if is_folder_far:
            self.changes += _is_other(self._folder)
        for log in logs:
            if is_far(log) and not (is_folder_far and log.is_relative_to(self._folder)):
                log.ask_anew()  # type: ignore[attr-defined]
        if is_folder_far and now_s >= self._beside_s:
            began_s = self._took()
            if self._beside_s > float(
                "-inf"
            ):  # the first time they are listed as they are asked for
                self.changes += self._folder.list_beside_anew()  # type: ignore[attr-defined]
            self._beside_s = now_s + max(_BESIDE_S, _SHARE * (self._took() - began_s))

    def _failed(self, now_s: float, error: OSError) -> str:
        self._failures, self.is_known = self._failures + 1, False
        pause_s = min(_LONGEST_PAUSE_S, self._interval_s * 2.0 ** min(self._failures, 10))
        self._next_s = now_s + pause_s
        said = f"{self._folder} cannot be listed: {error.strerror or error}"
        is_news, self._said = said != self._said, said
        return f"{said}; asked again later, and the watch goes on" if is_news else ""


def _is_other(folder: Path) -> bool:
    """Whether a far folder, made what it is now, is otherwise; one that is gone is.

    Raises:
        NotADirectoryError: it is a file.
        OSError: it cannot be listed.
    """
    try:
        return bool(folder.list_anew())  # type: ignore[attr-defined]
    except FileNotFoundError:
        return True
