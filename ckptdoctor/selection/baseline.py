"""Findings that were accepted: a file for CI, so that only what is new fails.

An entry names a code, a file, what in it, and its contents. A file that was written anew, or that
something else is found in, is not covered; an entry that nothing answers to is stale, and said.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckptdoctor.errors import DestinationError, UsageError
from ckptdoctor.finding import Finding
from ckptdoctor.report import CheckpointReport, Report, RunReport
from ckptdoctor.selection.identity import Contents
from ckptdoctor.selection.policy import GUARDED, Policy, settled

__all__ = ["Baseline", "Entry", "read_baseline", "settled_with", "write_baseline"]

_WHAT = "ckptdoctor-baseline"
_VERSION = 1
_MOST_NBYTES = 64 << 20
_KEYS = ("code", "path", "subject", "content", "message")
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """A finding that was accepted.

    Attributes:
        path: of the checkpoint or the run, from the folder of the baseline, with slashes.
        code: ``CDnnn``.
        subject: an fqn, a record, a file.
        content: of the file that it is about; see :class:`Contents`.
        message: as it was, for whoever reads the baseline; it is not compared.
    """

    path: str
    code: str
    subject: str
    content: str
    message: str = field(compare=False)


class Baseline:
    """What was accepted, and what of it is still found.

    Args:
        path: of the file.
        entries: in it.
        is_found: whether a file of settings that nobody named leads to it.
    """

    def __init__(self, path: Path, entries: Iterable[Entry], *, is_found: bool = False) -> None:
        self.path = path
        self.entries = tuple(entries)
        self._left = Counter(self.entries)
        self._names = {(one.code, one.path, one.subject) for one in self.entries}
        self._is_found = is_found
        self._contents = Contents()
        self._examined: set[str] = set()

    def accepts(self, finding: Finding, owner: CheckpointReport | RunReport) -> bool:
        """Whether a finding stands here; each entry answers for one of them."""
        if self._is_found and finding.code in GUARDED:
            return False
        place = self.place_of(owner)
        if (finding.code, place, finding.subject) not in self._names:
            return False  # no need to read the file
        entry = self._entry(finding, owner, place)
        self._left[entry] -= 1
        return self._left[entry] >= 0

    def place_of(self, owner: CheckpointReport | RunReport) -> str:
        """The path as it stands in the file."""
        return _place(owner.path, self.path)

    def entry(self, finding: Finding, owner: CheckpointReport | RunReport) -> Entry:
        """What accepts a finding."""
        return self._entry(finding, owner, self.place_of(owner))

    def _entry(self, finding: Finding, owner: CheckpointReport | RunReport, place: str) -> Entry:
        return Entry(
            path=place,
            code=finding.code,
            subject=finding.subject,
            content=self._contents.of(finding, owner),
            message=finding.message,
        )

    def settled(self, report: Report, policy: Policy) -> Report:
        """A report with what counts and was not accepted."""
        self._examined |= _examined(report, self)
        return settled(report, replace(policy, accepts=self.accepts, baseline=str(self.path)))

    def stale_words(self) -> tuple[str, ...]:
        """A sentence, where nothing in the reports so far answered to some of the entries."""
        stale = self.stale()
        if not stale:
            return ()
        named = "; ".join(f"{one.code} {one.subject} in {one.path}" for one in stale[:_MOST_NAMED])
        more = f"; and {len(stale) - _MOST_NAMED} more" if len(stale) > _MOST_NAMED else ""
        are = "entries are" if len(stale) > 1 else "entry is"
        words = f"{self.path}: {len(stale)} {are} stale, nothing like it is found any more: "
        return (f"{words}{named}{more}. Write it anew with --write-baseline",)

    def stale(self) -> list[Entry]:
        """The entries that nothing answered to, of files that were examined or are gone."""
        return sorted(
            one
            for one, left in self._left.items()
            if left > 0 and (one.path in self._examined or not self._is_there(one))
        )

    def _is_there(self, entry: Entry) -> bool:
        return os.path.lexists(self.path.parent / entry.path)


def _place(path: Path, baseline: Path) -> str:
    try:
        place = os.path.relpath(path, baseline.parent)
    except ValueError:  # on another drive
        place = os.path.abspath(path)  # noqa: PTH100
    return place.replace(os.sep, "/")


def settled_with(report: Report, policy: Policy, baseline: Baseline) -> Report:
    """The report with what counts and was not accepted; stale entries are a note."""
    found = baseline.settled(report, policy)
    return replace(found, notes=(*found.notes, *baseline.stale_words()))


def _examined(report: Report, baseline: Baseline) -> set[str]:
    return {baseline.place_of(one) for one in _owners(report)}


def _owners(report: Report) -> list[CheckpointReport | RunReport]:
    return [*report.runs, *report.checkpoints]


def read_baseline(path: Path, *, is_found: bool = False) -> Baseline:
    """What was accepted in a file.

    Args:
        path: of it.
        is_found: whether a file of settings that nobody named leads to it.

    Raises:
        UsageError: it is not there, or no baseline.
    """
    from ckptdoctor.places import looks_into

    looks_into(path.parent)
    try:
        if path.stat().st_size > _MOST_NBYTES:
            raise UsageError(f"{path}: no baseline: larger than 64 MiB")
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path}: no such baseline; --write-baseline writes what is found now"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the baseline cannot be read: {error}") from None
    try:
        return Baseline(path, _entries(json.loads(text)), is_found=is_found)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no baseline of ckptdoctor: {error}") from None


def _entries(whole: object) -> Iterator[Entry]:
    if not isinstance(whole, dict) or whole.get("what") != _WHAT:
        raise ValueError(f'it lacks "what": "{_WHAT}"')
    if whole.get("schema_version") != _VERSION:
        raise ValueError("it was written by a later version")
    accepted = whole.get("accepted")
    if not isinstance(accepted, list):
        raise ValueError('"accepted" is no list')  # noqa: TRY004
    for one in accepted:
        texts = [one.get(key) for key in _KEYS] if isinstance(one, dict) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"an entry needs {', '.join(_KEYS)} as texts")
        yield Entry(**{key: str(text) for key, text in zip(_KEYS, texts, strict=True)})


def write_baseline(report: Report, policy: Policy, path: Path) -> Baseline:
    """Accept all that counts: the baseline that was written.

    Entries of an older one stay where their files were not examined.

    Args:
        report: with all its findings.
        policy: what is set aside for another reason is not accepted.
        path: the file; replaced where it is a baseline.

    Raises:
        DestinationError: something else is there, or it cannot be written.
    """
    before = _replaced(path)
    baseline = Baseline(path, ())
    counted = settled(report, policy)
    entries = [
        baseline.entry(finding, owner) for owner in _owners(counted) for finding in owner.findings
    ]
    examined = _examined(report, baseline)
    entries += [
        one
        for one in before
        if one.path not in examined and os.path.lexists(path.parent / one.path)
    ]
    _write(path, sorted(entries))
    return Baseline(path, entries)


def _replaced(path: Path) -> tuple[Entry, ...]:
    """The entries of the baseline that is there."""
    if not os.path.lexists(path):
        return ()
    try:
        return read_baseline(path).entries
    except UsageError as error:
        raise DestinationError(f"{error}; it was not replaced: name another file") from None


def _write(path: Path, entries: list[Entry]) -> None:
    """A line an entry, in an order that does not change: it lies in a repository."""
    lines = ",\n".join(
        "  " + json.dumps({key: getattr(one, key) for key in _KEYS}) for one in entries
    )
    text = f'{{"what": "{_WHAT}", "schema_version": {_VERSION}, "accepted": [\n{lines}\n]}}\n'
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(text)
                os.fchmod(fd, 0o644) if hasattr(os, "fchmod") else None
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108
            raise
    except OSError as error:
        raise DestinationError(f"{path}: {error.strerror}; the baseline was not written") from error
