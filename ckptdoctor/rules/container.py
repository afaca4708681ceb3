"""CD1xx: the file as a container, before any tensor is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.formats.pickle.names import is_infamous
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.unwritten import unwritten_end
from ckptdoctor.shell import command_line
from ckptdoctor.weightless import instead_of_weights, lists_weights

__all__ = [
    "ChangedWhileRead",
    "ChecksumMismatch",
    "CodeInPickle",
    "DamagedStructure",
    "LimitExceeded",
    "NotACheckpoint",
    "NotWhatWasRestored",
    "Truncated",
    "Unreadable",
    "UnsafeClass",
]

_MOST_FUNCTIONS = 100
_TORCHS_LOADER = "torch.storage._load_from_bytes"
_BARE = ("pickle", "joblib")
_REFUSED = "torch.load(weights_only=True) refuses this file"
_NO_SAFE_LOADER = "a plain pickle, which no safe loader reads, holds classes"
_SAVE_WITH_TORCH = (
    "Nothing, if you know where the file comes from. Written with torch.save, a state_dict can be "
    "loaded with weights_only=True."
)
_NOT_ITS_OWN = (
    "Do not load it: torch's own loader is given what torch does not write there. If training "
    "wrote it, it is damaged: copy it again, or use an earlier checkpoint."
)
_DELETE = "Do not load the file. Delete it, and find out who wrote it."
_ASK_FIRST = (
    "Do not load it before you know who wrote it: no checkpoint is known to need this function. "
    "If it is yours, save the state_dict alone."
)


class _Reported(Rule):
    """A rule whose findings the reader or the scan already made."""

    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """The problems with this code."""
        return self.from_problems(case)


def _with_repair(finding: Finding, case: Case) -> Finding:
    """The same with the command that puts its one wrong bit right, where it is one."""
    if "flipped_bit" not in finding.evidence:
        return finding
    path = case.checkpoint.path
    command = command_line("ckptdoctor", "repair", path)
    return replace(
        finding,
        evidence={**finding.evidence, "file": str(path)},
        remedy=f"Put the bit right, in a new file: {command}",
    )


class NotACheckpoint(_Reported):
    """Not a checkpoint.

    The file is empty, or something else under a checkpoint's name: an HTML page saved by a failed
    download, a git-lfs pointer, an archive that holds a checkpoint. Judged by the first bytes, so
    this is certain. As a note: it was written like a checkpoint, and no model's weights are in it.
    It may be an optimizer, a scheduler or a random state that lies beside them, or nothing at all,
    as a module without parameters or a scaler that is off has it. Nobody can go on from it alone.

    What to do: get the file itself. The message says what it is instead.
    """

    code = "CD101"
    label = "not a checkpoint"

    def check(self, case: Case) -> Iterator[Finding]:
        """What the reader said, and a file of nothing."""
        yield from self.from_problems(case)
        checkpoint = case.checkpoint
        if case.lacks_weights:
            return  # of which it is said what became of them
        empty = not (checkpoint.tensors or checkpoint.scalars or case.problems)
        if empty:
            yield self.finding(
                "file",
                "nothing was saved in it: no tensor and no value",
                severity=Severity.INFO,
                remedy="Look at what the training script gives to torch.save.",
            )
        elif not case.problems and not lists_weights(checkpoint.tensors):
            yield self.finding(
                "file",
                f"it holds no model weights: {instead_of_weights(checkpoint.tensors)}",
                severity=Severity.INFO,
                remedy="Nothing, if the weights lie in a file beside it: go on from that one.",
            )


class Truncated(_Reported):
    """The file is cut.

    It ends before what its own header or pickle promises. Training was killed while it wrote, the
    disk was full, or a copy was interrupted. Tensors that lie wholly before the cut are sound and
    are still examined. As a warning: it has its full size, and zeros at its end that nobody wrote,
    as a download or a copy leaves them that reserved the space and never filled it. They begin
    within a row of a matrix, or several matrices are zero whose like in other layers are not.

    What to do: copy the file again from where it was written; if that one is cut too, use an
    earlier checkpoint.
    """

    code = "CD102"
    label = "cut"
    of_file = True

    def check(self, case: Case) -> Iterator[Finding]:
        """What the reader met, and an end that was never written."""
        yield from self.from_problems(case)
        found = unwritten_end(case)
        if found is None:
            return
        nbytes = case.checkpoint.nbytes - found.start
        lacking = [f"{found.border} is written in part"] if found.border else []
        lacking += [f"{len(found.empty)} tensors hold zeros alone"] if found.empty else []
        yield self.finding(
            "file",
            f"its last {nbytes} bytes ({nbytes / case.checkpoint.nbytes:.0%} of it) are zeros that "
            f"were never written: {' and '.join(lacking)}",
            severity=Severity.WARNING,
            start=found.start,
            zeros=nbytes,
            border=found.border or None,
            empty=list(found.empty[:20]),
        )


class ChecksumMismatch(_Reported):
    """A record's bytes do not match its checksum.

    torch stores a CRC32 with every record of a zip checkpoint and does not look at it when
    loading. A mismatch is certain: these are not the bytes that torch wrote. Where one flipped bit
    explains it, the bit is named, with the tensor, the element, and whether it is in an exponent or
    a mantissa. As an info finding: the file stores no checksums, so nothing could be compared.

    What to do: where one bit is wrong, ``ckptdoctor repair FILE``. Else copy the file again, or use
    another; check the disk if it happens twice.
    """

    code = "CD103"
    label = "checksum mismatch"
    of_file = True

    def check(self, case: Case) -> Iterator[Finding]:
        """Mismatches, and a note where there was nothing to compare."""
        for finding in self.from_problems(case):
            yield _with_repair(finding, case)
        if case.unchecked:
            yield self.finding(
                "file",
                f"{case.unchecked} records carry no checksum, so damage to them cannot be seen",
                severity=Severity.INFO,
                remedy="Save with torch.serialization.set_crc32_options(True), torch's default.",
                unchecked=case.unchecked,
            )


class DamagedStructure(_Reported):
    """A record is missing, short, overlapping or contradicted.

    The parts of the file disagree: two readers would see two different checkpoints. Either the
    file was damaged, or somebody edited it by hand, or it was built to deceive. A name in the
    pickle that is one bit off one of torch's counts too: torch will not find it.

    What to do: use another copy; do not load this one with ``weights_only=False``.
    """

    code = "CD104"
    label = "damaged structure"
    of_file = True

    def check(self, case: Case) -> Iterator[Finding]:
        """What the reader said, and which bit it is."""
        for finding in self.from_problems(case):
            yield _with_repair(finding, case)


class UnsafeClass(Rule):
    """A class outside torch's safe list.

    The pickle names a class or function that ``torch.load(weights_only=True)`` refuses. Ordinary
    checkpoints do: numpy scalars, ``argparse.Namespace``, a config object. It says nothing about
    the weights, and nothing was imported to find out. Of classes from packages that are not known
    here nobody can say what they do when they are loaded; those come first, and it is said.

    What to do: nothing, if you know where the file comes from. Allow the class with
    ``torch.serialization.add_safe_globals``, or save plain Python values instead.
    """

    code = "CD105"
    label = "unsafe class"
    severity = Severity.INFO

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding that lists them all."""
        uses = [
            use
            for use in case.checkpoint.globals
            if not use.allowed and not use.runs_code and use.name != _TORCHS_LOADER
        ]
        names = [use.name for use in sorted(uses, key=lambda use: use.known)]
        if names:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            unknown = [use.name for use in uses if not use.known]
            evidence: dict[str, Any] = {"globals": names}
            if unknown:
                evidence["unknown"] = unknown
            note = f" (not known here: {len(unknown)})" if unknown else ""
            bare = case.checkpoint.format in _BARE
            yield self.finding(
                "pickle",
                f"{_NO_SAFE_LOADER if bare else _REFUSED}: {shown}{note}",
                remedy=_SAVE_WITH_TORCH if bare else None,
                **evidence,
            )


class CodeInPickle(Rule):
    """The pickle runs code when it is loaded.

    It names a function such as ``os.system``, ``eval`` or ``subprocess.Popen``. Whoever loads the
    file with ``weights_only=False`` runs it, whatever the weights look like. Judged by the name,
    also where the result of the call is thrown away, and in a file that cannot be read: loading it
    runs the code first, and only then fails. In Python's own library, torch, numpy and the packages
    known here, all that is not known to be harmless counts, and the message says so. A pickle can
    hide its intent in ways that no list of names covers, so the absence of this finding is no
    promise.

    What to do: do not load the file. Delete it, and find out who wrote it; unless it is yours, and
    the function only not known here.
    """

    code = "CD106"
    label = "runs code"
    of_file = True
    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding for each function, with the calls that were seen."""
        calls: dict[str, list[str]] = {}
        for call in case.checkpoint.calls:
            calls.setdefault(call.name, []).append(call.call)
        running = [use for use in case.checkpoint.globals if use.runs_code]
        for use in running[:_MOST_FUNCTIONS]:
            seen = calls.pop(use.name, [])
            message = f"calls {seen[0]}" if seen else _named(use.name)
            yield self.finding(
                use.name,
                message,
                remedy=_remedy_for(use.name),
                calls=list(seen[:20]),
                offset=use.offset,
                count=use.count,
            )
        yield from self._and_more(len(running) - _MOST_FUNCTIONS)
        for name, seen in calls.items():
            yield self.finding(
                name, f"calls {seen[0]}", remedy=_remedy_for(name), calls=list(seen[:20])
            )

    def before_damage(self, runs: Sequence[tuple[str, str]]) -> Iterator[Finding]:
        """The same for a file that cannot be read: loading it runs code, and only then fails."""
        for name, call in runs[:_MOST_FUNCTIONS]:
            message = f"calls {call}" if call else _named(name)
            yield self.finding(
                name, message, remedy=_remedy_for(name), calls=[call] if call else []
            )
        yield from self._and_more(len(runs) - _MOST_FUNCTIONS)

    def _and_more(self, more: int) -> Iterator[Finding]:
        if more > 0:
            yield self.finding("pickle", f"names {more} more functions that run code", more=more)


def _remedy_for(function: str) -> str:
    """What to do about a function; what training itself may have written is not to be deleted."""
    if function == _TORCHS_LOADER:
        return _NOT_ITS_OWN
    return _DELETE if is_infamous(function) else _ASK_FIRST


def _named(function: str) -> str:
    if is_infamous(function):
        return f"names {function}, which runs code"
    return f"names {function}, which is not known here to be harmless"


class LimitExceeded(_Reported):
    """Reading on would cost more than a file of this size can need.

    More opcodes, deeper nesting, or more inflated bytes than any real checkpoint of this size:
    a file built to exhaust whoever reads it.

    What to do: treat the file as hostile unless you made it yourself.
    """

    code = "CD107"
    label = "over the limits"
    of_file = True


class Unreadable(_Reported):
    """The file cannot be read.

    The operating system refused: no permission, an input/output error, or the file vanished
    between listing and opening it.

    What to do: check the permissions and the disk; on a network folder, try again.
    """

    code = "CD108"
    label = "cannot be read"
    of_file = True


class ChangedWhileRead(_Reported):
    """The file changed while it was read.

    Its size or time of modification is not what it was when reading began. The results may mix two
    versions of it.

    What to do: wait until the training script has written it, then scan again.
    """

    code = "CD109"
    label = "changed meanwhile"
    of_file = True


class NotWhatWasRestored(_Reported):
    """Not what was restored.

    ``ckptdoctor restore`` wrote this file and left a manifest beside it, and the file has another
    SHA-256 by now: it was overwritten, edited or damaged since. Certain, as far as the manifest
    still belongs to the file.

    What to do: restore it again. If you replaced the file on purpose, delete the manifest.
    """

    code = "CD110"
    severity = Severity.WARNING
    label = "not as restored"
