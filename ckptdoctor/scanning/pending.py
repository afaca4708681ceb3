"""A scan under way, and what it found once every byte was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace

from zlib_ng import zlib_ng

from ckptdoctor.checkpoint import Checkpoint, FileIdentity, Problem, Role, TensorStats, ZeroTail
from ckptdoctor.finding import Severity
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.one_bit import one_bit
from ckptdoctor.scanning.plan import StorageScan
from ckptdoctor.scanning.reading import FileShrankError
from ckptdoctor.scanning.singles import Singles
from ckptdoctor.scanning.stats import collect_stats
from ckptdoctor.scanning.thread import InflateError
from ckptdoctor.scanning.zero_tail import find_zero_tail
from ckptdoctor.sources.descriptors import refresh

__all__ = ["PendingScan", "ScanResult"]

_PATIENCE_S = 0.2
_COPY_AGAIN = "The bytes changed after torch wrote them: copy the file again, or use another."


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found in one file.

    Attributes:
        stats: one entry for each tensor whose bytes are there, by fqn.
        problems: checksums that do not match, a file that changed.
        scanned_nbytes: bytes that were read.
        unchecked: records for which the file stores no checksum.
        zero_tail: the zeros that it ends with, where its last bytes are a tensor's.
    """

    stats: dict[str, TensorStats]
    problems: tuple[Problem, ...]
    scanned_nbytes: int
    unchecked: int
    zero_tail: ZeroTail | None


@dataclass(slots=True)
class PendingScan:
    """A scan under way."""

    _checkpoint: Checkpoint
    _fd: int
    _scans: list[StorageScan]
    _futures: list[Future[None]]
    _nbytes: int
    _singles: Singles

    @property
    def is_done(self) -> bool:
        """Whether every byte was read."""
        return all(one.done() for one in self._futures)

    def result(self) -> ScanResult:
        """What was found, once every byte was read.

        Raises:
            OSError: the file could not be read.
        """
        shrank, damaged = self._wait()
        whole = [scan for scan in self._scans if scan.ref.key not in damaged]
        bad: list[tuple[StorageScan, int | None]] = [
            (scan, None) for scan in self._scans if scan.ref.key in damaged
        ]
        if not shrank:
            bad += _bad_checksums([*self._singles.damaged(), *whole])
        problems = self._told(bad)
        if shrank or self._changed():
            problems.append(_changed_problem(shrank=shrank))
        stats: dict[str, TensorStats] = {} if shrank else self._singles.stats()
        for scan in () if shrank else whole:
            stats.update(collect_stats(scan))
        return ScanResult(
            stats,
            tuple(problems),
            self._nbytes,
            sum(ref.crc32 == 0 and ref.nbytes > 0 for ref in self._checkpoint.records),
            None if shrank else find_zero_tail(self._checkpoint, self._fd),
        )

    def _wait(self) -> tuple[bool, set[str]]:
        """Whether the file turned out shorter than it was, and the records that do not inflate."""
        # No thread may read on once the caller has closed the file. In steps, because a wait
        # without an end may not notice Ctrl-C.
        while wait(self._futures, timeout=_PATIENCE_S).not_done:
            pass
        shrank, damaged = False, set()
        for future in self._futures:
            try:
                future.result()
            except FileShrankError:
                shrank = True
            except InflateError as error:
                damaged.add(str(error))
        return shrank, damaged

    def _told(self, bad: Sequence[tuple[StorageScan, int | None]]) -> list[Problem]:
        """What is wrong with records; of one alone, which bit of it is.

        Args:
            bad: with their CRC32 as they are; None of those that do not inflate.
        """
        problems = [
            _inflate_problem(scan) if found is None else _bad_checksum(scan, found)
            for scan, found in bad
        ]
        if len(bad) != 1:
            return problems
        ((scan, found),), (problem,) = bad, problems
        byteorder = self._checkpoint.byteorder
        told = one_bit(self._fd, scan.ref, found, scan.tensors, byteorder)
        if told is None:
            return problems
        clause, evidence = told
        message = f"{problem.message}: {clause}"
        return [replace(problem, message=message, evidence={**problem.evidence, **evidence})]

    def _changed(self) -> bool:
        refresh(self._fd)
        return FileIdentity.of(self._fd) != self._checkpoint.identity


def _changed_problem(*, shrank: bool) -> Problem:
    return Problem(
        code="CD109",
        severity=Severity.ERROR if shrank else Severity.WARNING,
        subject="file",
        message="the file was cut while it was read"
        if shrank
        else "the file changed while it was read: these results may mix two versions",
        remedy="Wait until the training script has written it, then scan again.",
    )


def _inflate_problem(scan: StorageScan) -> Problem:
    key, names = scan.ref.key, _names_on(scan)
    return Problem(
        code="CD104",
        severity=Severity.ERROR,
        subject=names[0] if names else key,
        message=f"the deflated record {key!r} is damaged and cannot be inflated",
        evidence={"record": key, "tensors": names[:10]},
        remedy="Copy the file again, or use another.",
    )


def _names_on(scan: StorageScan) -> list[str]:
    """The tensors on a storage, those of the model first: evidence lists ten, and they decide."""
    return [tensor.fqn for tensor in sorted(scan.tensors, key=lambda t: t.role is not Role.MODEL)]


def _bad_checksums(scans: Iterable[StorageScan]) -> list[tuple[StorageScan, int | None]]:
    """The records that do not match, with their CRC32 as they are."""
    sums = [(scan, _crc32_of(scan)) for scan in scans if scan.check_crc]
    return [(scan, found) for scan, found in sums if found != scan.ref.crc32]


def _crc32_of(scan: StorageScan) -> int:
    found = 0
    for piece in scan.pieces:
        found = zlib_ng.crc32_combine(found, piece.crc32, piece.nbytes)
    return found


def _bad_checksum(scan: StorageScan, found: int) -> Problem:
    names = _names_on(scan)
    return Problem(
        code="CD103",
        severity=Severity.ERROR,
        subject=names[0] if names else scan.ref.key,
        message=f"checksum mismatch in {scan.ref.key!r}: stored {scan.ref.crc32:#010x}, "
        f"computed {found:#010x}",
        evidence={
            "record": scan.ref.key,
            "stored": f"{scan.ref.crc32:08x}",
            "computed": f"{found:08x}",
            "tensors": names[:10],
        },
        remedy=_COPY_AGAIN,
    )
