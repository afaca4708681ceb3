"""The trunk of ``diff``: two files, their tensors matched by name, and how far each one moved."""

from __future__ import annotations

import fnmatch
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Role, Scalar, TensorRecord
from ckptdoctor.difference import Change, Difference, Movement, Reshaped, TensorDifference
from ckptdoctor.errors import CorruptCheckpointError
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.formats.roles import role_of_key
from ckptdoctor.layouts.opened import OpenCheckpoint, Piece, open_files, overlap
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import read_metadata
from ckptdoctor.runs.discover import checkpoint_at
from ckptdoctor.scanning.difference import Side, compare_tensors
from ckptdoctor.scanning.reading import FileShrankError
from ckptdoctor.sources import path_of

__all__ = ["Comparison", "compare"]

_WRAPPERS = re.compile(r"(^|\.)(module|_orig_mod|_forward_module)(?=\.)")
_RATE = re.compile(r"(^|\.)(param_groups\.\d+\.lr|_last_lr\.\d+|base_lrs\.\d+)$")
_UNSHOWN = re.compile(r"(^|\.)param_groups\.\d+\.params\.\d+$|(^|\.)_metadata(\.|$)")
_MOST_CHANGES = 500
_MOST_EXPANDED_NBYTES = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How to compare.

    Attributes:
        ignore_prefixes: taken from names before they are matched, such as ``module.``.
        exact_names: match equal names alone.
        globs: compare only tensors whose name matches one of them; all if there is none.
        progress: told of the bytes compared, in batches.
        expect: told of the bytes that comparing will take.
    """

    ignore_prefixes: tuple[str, ...] = ()
    exact_names: bool = False
    globs: tuple[str, ...] = ()
    progress: Callable[[int], None] | None = None
    expect: Callable[[Path, int], None] | None = None


def compare(a: str | Path, b: str | Path, how: Comparison | None = None) -> Difference:
    """What moved from A to B.

    Files may be larger than memory. Nothing in them is executed.

    Args:
        a: a checkpoint, the earlier one as a rule: a file, or a folder that is one.
        b: another.
        how: options.

    Raises:
        CheckpointError: one of them is no checkpoint, or was cut while it was read.
        OSError: one of them cannot be read.
    """
    how = how or Comparison()
    with ExitStack() as stack:
        sides = [stack.enter_context(open_files(checkpoint_at(path_of(path)))) for path in (a, b)]
        first, second = sides[0].checkpoint, sides[1].checkpoint
        matching = _match(first, second, how)
        if how.expect is not None:
            how.expect(first.path, sum(x.nbytes + y.nbytes for x, y in matching.same_shape))
        tensors = tuple(_compared(matching, sides[0], sides[1], how))
    return Difference(
        a=first.path,
        b=second.path,
        tensors=tensors,
        added=tuple(matching.added),
        removed=tuple(matching.removed),
        lost=tuple(matching.lost),
        reshaped=tuple(matching.reshaped),
        changes=tuple(_changes(first, second)),
        notes=(*(note for side in sides for note in side.unread), *matching.notes),
        findings=tuple(_findings(tensors)),
    )


# -- names ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Matching:
    same_shape: list[tuple[TensorRecord, TensorRecord]]
    reshaped: list[Reshaped]
    lost: list[str]
    added: list[str]
    removed: list[str]
    notes: list[str]


def _match(first: Checkpoint, second: Checkpoint, how: Comparison) -> _Matching:
    left, right = _chosen(first, how), _chosen(second, how)
    pairs = {name: name for name in left if name in right}
    notes: list[str] = []
    if not how.exact_names:
        for words, plain in _ways(how):
            found = _pairs_by(plain, left, right, pairs)
            if found:
                example = next(iter(found.items()))
                notes.append(
                    f"{len(found)} names were matched {words}: {example[0]} is {example[1]}"
                )
                pairs |= found
    result = _Matching([], [], [], [], [], notes)
    for name, tensor in left.items():
        other = right.get(pairs[name]) if name in pairs else None
        if other is None:
            result.removed.append(name)
        elif tensor.shape != other.shape:
            result.reshaped.append(Reshaped(fqn=name, before=tensor.shape, after=other.shape))
        elif _has_bytes(tensor) and _has_bytes(other):
            result.same_shape.append((tensor, other))
        else:
            result.lost.append(name)
    matched = set(pairs.values())
    result.added = [name for name in right if name not in matched]
    return result


def _chosen(checkpoint: Checkpoint, how: Comparison) -> dict[str, TensorRecord]:
    return {
        tensor.fqn: tensor
        for tensor in checkpoint.tensors
        if not how.globs or any(fnmatch.fnmatchcase(tensor.fqn, glob) for glob in how.globs)
    }


def _has_bytes(tensor: TensorRecord) -> bool:
    """Whether there is something to compare; a few bytes may claim a shape of 2^62 elements."""
    if 0 in tensor.shape:
        return True
    if tensor.storage is None or tensor.lost:
        return False
    return tensor.nbytes <= max(_MOST_EXPANDED_NBYTES, tensor.storage.nbytes)


def _ways(how: Comparison) -> Iterator[tuple[str, Callable[[str], str]]]:
    """What may be left aside of a name, little by little."""

    def without_prefixes(name: str) -> str:
        for prefix in how.ignore_prefixes:
            bare = prefix.removesuffix(".")
            name = re.sub(rf"(^|\.){re.escape(bare)}\.", r"\1", name)
        return name

    def without_wrappers(name: str) -> str:
        return _WRAPPERS.sub("", without_prefixes(name)).removeprefix(".")

    def without_root(name: str) -> str:
        bare = without_wrappers(name)
        root, dot, rest = bare.partition(".")
        return rest if dot and role_of_key(root) is Role.MODEL else bare

    if how.ignore_prefixes:
        yield f"without {' and '.join(how.ignore_prefixes)}", without_prefixes
    yield "without the wrappers module. and _orig_mod.", without_wrappers
    yield "without the key that holds the weights", without_root


def _pairs_by(
    plain: Callable[[str], str],
    left: Iterable[str],
    right: Iterable[str],
    known: dict[str, str],
) -> dict[str, str]:
    """Names that are equal but for what is left aside, where that is not ambiguous."""
    taken = set(known.values())
    found: dict[str, list[str]] = {}
    for name in right:
        if name not in taken:
            found.setdefault(plain(name), []).append(name)
    mine: dict[str, list[str]] = {}
    for name in left:
        if name not in known:
            mine.setdefault(plain(name), []).append(name)
    return {
        names[0]: found[bare][0]
        for bare, names in mine.items()
        if len(names) == 1 and len(found.get(bare, ())) == 1
    }


# -- tensors -------------------------------------------------------------------------------------


def _compared(
    matching: _Matching, first: OpenCheckpoint, second: OpenCheckpoint, how: Comparison
) -> Iterator[TensorDifference]:
    for before, after in matching.same_shape:
        try:
            movement = Movement.sum(_moved(first.pieces[before.fqn], second.pieces[after.fqn]))
        except FileShrankError as error:
            raise CorruptCheckpointError(
                second.path, f"one of the files was cut while {before.fqn} was read"
            ) from error
        except zlib.error as error:
            raise CorruptCheckpointError(
                second.path, f"{before.fqn} is deflated, and damaged in one of the files: {error}"
            ) from error
        if how.progress is not None:
            how.progress(before.nbytes + after.nbytes)
        yield TensorDifference(
            fqn=before.fqn,
            other=after.fqn,
            role=before.role,
            shape=before.shape,
            dtype=before.dtype,
            other_dtype=after.dtype,
            movement=movement,
        )


def _moved(before: Sequence[Piece], after: Sequence[Piece]) -> Iterator[Movement]:
    """How far each box of elements moved that lies in one file of either."""
    for one in before:
        for other in after:
            views = overlap(one, other)
            if views is not None:
                a, b = Side(one.fd, one.byteorder), Side(other.fd, other.byteorder)
                yield compare_tensors(a, views[0], b, views[1])


def _findings(tensors: Iterable[TensorDifference]) -> Iterator[Finding]:
    """Weights that were finite and are not any more."""
    for tensor in tensors:
        moved = tensor.movement
        if tensor.role is Role.MODEL and (moved.new_nan or moved.new_inf):
            code, count, what = (
                ("CD201", moved.new_nan, "NaN")
                if moved.new_nan
                else ("CD202", moved.new_inf, "infinite")
            )
            yield Finding(
                code=code,
                severity=Severity.ERROR,
                subject=tensor.other,
                message=f"{count} of {moved.numel} elements are {what} that were finite before",
                evidence={"new_nan": moved.new_nan, "new_inf": moved.new_inf, "numel": moved.numel},
                remedy=f"What it means: ckptdoctor explain {code}",
            )


# -- values --------------------------------------------------------------------------------------


def _changes(first: Checkpoint, second: Checkpoint) -> Iterator[Change]:
    """Epoch, step and metrics, then learning rates, then whatever else differs."""
    one, two = read_metadata(first), read_metadata(second)
    yield from _change("epoch", one.epoch, two.epoch)
    yield from _change("global_step", one.global_step, two.global_step)
    metrics = {metric.name: metric.value for metric in one.metrics}
    others = {metric.name: metric.value for metric in two.metrics}
    for name in [*metrics, *(name for name in others if name not in metrics)]:
        yield from _change(name, metrics.get(name), others.get(name))
    told = {"epoch", "global_step", *metrics, *others}
    names = [*first.scalars, *(name for name in second.scalars if name not in first.scalars)]
    rest = [n for n in names if n.rpartition(".")[2] not in told and not _UNSHOWN.search(n)]
    count = 0
    for name in sorted(rest, key=lambda name: _RATE.search(name) is None):
        for change in _change(name, first.scalars.get(name), second.scalars.get(name)):
            count += 1
            if count <= _MOST_CHANGES:
                yield change


def _change(key: str, before: Scalar, after: Scalar) -> Iterator[Change]:
    same_nan = before != before and after != after  # noqa: PLR0124
    if before != after and not same_nan:
        yield Change(key=key, before=before, after=after)
