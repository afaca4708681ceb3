"""The run that a checkpoint belongs to, as far as a rule needs to know it.

Neighbours are the checkpoints of one folder whose models have the same tensors. What is kept of
each is small, so that a run of many checkpoints fits into memory.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Role, TensorStats
from ckptdoctor.metadata import Metadata, Mode, position
from ckptdoctor.rules.samples import Distance, SampledTensor, distance

__all__ = ["NO_RUN", "Jump", "Layout", "Run", "Snapshot", "is_trained", "runs_of"]

Layout = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, dtype and shape of each tensor of the model."""

_ONE_EACH = re.compile(r"^(checkpoint|global_step|step|iter|epoch)[-_=]?\d+$", re.IGNORECASE)
_BUFFER = re.compile(r"(^|\.)(running_mean|running_var|num_batches_tracked)$")

_LAST = re.compile(r"(^|[^a-z])(last|latest|final|current|newest)([^a-z]|$)", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")

# How far weights may move between two neighbours. They move fast at first and slower later, so
# that a jump shows against what came before; from a single interval little can be said.
_LEAST_JUMP = 0.5  # of the norm of all weights
_JUMP_OVER_MEDIAN, _JUMP_OVER_MOST = 6.0, 3.0
_LEAST_JUMP_AFTER_ONE, _JUMP_OVER_ONE = 1.0, 10.0
_LEAST_JUMP_AFTER_NONE = 10.0


def is_trained(fqn: str) -> bool:
    """Whether a tensor is moved by the optimizer and not by the forward pass."""
    return _BUFFER.search(fqn) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the others of its run need to know of a checkpoint.

    Attributes:
        path: the file.
        metadata: epoch, step and metric.
        layout: its model; shared with the snapshots of the same model.
        stats: by fqn, of the tensors of the layout whose bytes are there.
        weights_id: equal for equal weights; "" where there are none.
        exact: whether ``weights_id`` rests on the checksums of all weights, not on figures.
    """

    path: Path
    metadata: Metadata
    layout: Layout
    stats: Mapping[str, TensorStats]
    weights_id: str
    exact: bool

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        stats: Mapping[str, TensorStats],
        metadata: Metadata,
        known: dict[Layout, Layout],
    ) -> Snapshot:
        """The snapshot of a checkpoint.

        Args:
            checkpoint: as the reader described it.
            stats: of its tensors.
            metadata: where it stands.
            known: layouts seen before; added to.
        """
        weights = [tensor for tensor in checkpoint.tensors if tensor.role is Role.MODEL]
        layout = tuple((tensor.fqn, tensor.dtype, tensor.shape) for tensor in weights)
        found = {tensor.fqn: stats[tensor.fqn] for tensor in weights if tensor.fqn in stats}
        crcs = [tensor.storage.crc32 if tensor.storage is not None else 0 for tensor in weights]
        exact = all(crcs)
        digest = hashlib.blake2b(digest_size=16)
        for tensor, crc in zip(weights, crcs, strict=True):
            figures = found.get(tensor.fqn)
            digest.update(repr((tensor.fqn, tensor.dtype, tensor.shape)).encode())
            digest.update(repr((tensor.stride, tensor.storage_offset)).encode())
            digest.update(repr(crc if exact else figures).encode())
            if not exact and figures is not None:
                digest.update(figures.sample)
        return cls(
            path=checkpoint.path,
            metadata=metadata,
            layout=known.setdefault(layout, layout),
            stats=found,
            weights_id=digest.hexdigest() if weights else "",
            exact=exact,
        )

    @property
    def is_finite(self) -> bool:
        """Whether all weights are there and finite."""
        whole = len(self.stats) == sum(0 not in shape for _, _, shape in self.layout)
        return whole and not any(stats.non_finite for stats in self.stats.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """Weights that moved much farther than they did before.

    Attributes:
        since: the checkpoint before the jump.
        distance: from there to here.
        usual: how far the weights moved from one checkpoint to the next until then.
        first: whether the jump happened just before this checkpoint, or at an earlier one.
    """

    since: Snapshot
    distance: Distance
    usual: float
    first: bool


@dataclass(frozen=True)
class Run:
    """The checkpoints of one run, in order."""

    snapshots: tuple[Snapshot, ...] = field(default=(), repr=False)

    def earlier(self, path: Path) -> Iterator[Snapshot]:
        """Those before a checkpoint, the nearest first; none where its place is not known."""
        return iter(self.course[: self._places.get(path, 0)][::-1])

    def later(self, path: Path) -> Iterator[Snapshot]:
        """Those behind a checkpoint, the nearest first; none where its place is not known."""
        return iter(self.course[self._places.get(path, len(self.course)) + 1 :])

    @functools.cached_property
    def course(self) -> Sequence[Snapshot]:
        """The checkpoints whose place in the run is known, in order.

        A ``pretrained.pth`` among epochs may be older or younger than any of them.
        """
        for known in (_epoch_of, _step_of):
            placed = [one for one in self.snapshots if known(one) is not None]
            if placed:
                return placed + self._last_beside(placed)
        kinds = Counter(_without_digits(one) for one in self.snapshots)
        kind, count = max(kinds.items(), key=lambda item: item[1], default=("", 0))
        placed = [one for one in self.snapshots if count > 1 and _without_digits(one) == kind]
        return placed + self._last_beside(placed)

    def _last_beside(self, placed: Sequence[Snapshot]) -> list[Snapshot]:
        """The checkpoint that calls itself the last, if only one without a place does."""
        known = {one.path for one in placed}
        others = [one for one in self.snapshots if one.path not in known]
        last = [one for one in others if _LAST.search(one.path.stem)]
        return last if len(last) == 1 else []

    def same_weights(self, path: Path) -> Sequence[Snapshot]:
        """Those with the very weights of a checkpoint, in order, itself included."""
        return self._twins.get(self._ids.get(path, ""), ())

    def holds_everywhere(self, stats: TensorStats) -> bool:
        """Whether a tensor is the same in every checkpoint of the run, and the run went on.

        Judged by its extremes and its NaN and Inf: that is how a buffer looks that nobody trains.
        """
        counted = (
            {count(one) for one in self.snapshots} - {None} for count in (_epoch_of, _step_of)
        )
        if max(len(counts) for counts in counted) < 2:
            return False
        return all(snapshot.stats.get(stats.fqn, stats) == stats for snapshot in self.snapshots)

    @functools.cached_property
    def jumps(self) -> Mapping[Path, Jump]:
        """By path, the checkpoints whose weights lie far from where they were before."""
        return dict(_jumps(self.course))

    @functools.cached_property
    def _places(self) -> Mapping[Path, int]:
        return {snapshot.path: at for at, snapshot in enumerate(self.course)}

    @functools.cached_property
    def _ids(self) -> Mapping[Path, str]:
        return {snapshot.path: snapshot.weights_id for snapshot in self.snapshots}

    @functools.cached_property
    def _twins(self) -> Mapping[str, list[Snapshot]]:
        twins: dict[str, list[Snapshot]] = {}
        for snapshot in self.snapshots:
            if snapshot.weights_id:
                twins.setdefault(snapshot.weights_id, []).append(snapshot)
        return twins


NO_RUN = Run()
"""That of a checkpoint which is examined alone."""


def _epoch_of(snapshot: Snapshot) -> int | float | None:
    data = snapshot.metadata
    return data.epoch if data.epoch is not None else data.name_epoch


def _step_of(snapshot: Snapshot) -> int | None:
    return snapshot.metadata.global_step


def _without_digits(snapshot: Snapshot) -> str:
    """The name that ``net_1.pt`` and ``net_20.pt`` share; one without a digit shares nothing."""
    name = snapshot.path.name
    kind = _DIGITS.sub("#", name)
    return kind if kind != name else str(snapshot.path)


def runs_of(snapshots: Iterable[Snapshot]) -> dict[Path, Run]:
    """By path, the run that each checkpoint belongs to."""
    groups: dict[tuple[Path, int], list[Snapshot]] = {}
    for snapshot in snapshots:
        groups.setdefault((_folder(snapshot.path), id(snapshot.layout)), []).append(snapshot)
    found: dict[Path, Run] = {}
    for group in groups.values():
        group.sort(key=lambda snapshot: position(snapshot.path, snapshot.metadata))
        run = Run(tuple(group))
        found.update((snapshot.path, run) for snapshot in group)
    return found


def _folder(path: Path) -> Path:
    """The folder of a run; some write each checkpoint into a folder of its own."""
    return path.parent.parent if _ONE_EACH.match(path.parent.name) else path.parent


# -- jumps ---------------------------------------------------------------------------------------


def _jumps(snapshots: Sequence[Snapshot]) -> Iterator[tuple[Path, Jump]]:
    """Each checkpoint against the last one that lay where it was expected."""
    anchor: Snapshot | None = None
    rates: list[float] = []  # how far an epoch moved the weights, so far
    limit, jumped = math.inf, False
    for snapshot in snapshots:
        if not snapshot.is_finite or not snapshot.weights_id:
            continue
        if anchor is None:
            anchor = snapshot
            continue
        moved = _between(anchor, snapshot)
        if moved is None:  # all zeros before: every distance from there is infinite
            anchor = snapshot
            continue
        if not moved.relative:  # a copy, which says nothing about how fast training moves
            continue
        gap = _gap(anchor, snapshot)
        if not jumped:
            limit = _limit(rates, gap)
        # What follows a jump stays marked until it is back where the weights were.
        if moved.relative > (limit / 2 if jumped else limit) and not _is_better(snapshot, anchor):
            usual = _median(rates) if rates else 0.0
            yield (
                snapshot.path,
                Jump(since=anchor, distance=moved, usual=usual, first=not jumped),
            )
            jumped = True
            continue
        jumped = False
        rates.append(moved.relative / gap)
        anchor = snapshot


def _limit(rates: Sequence[float], gap: float) -> float:
    """How far the weights may move in this many epochs."""
    if not rates:
        return _LEAST_JUMP_AFTER_NONE
    if len(rates) == 1:
        return max(_LEAST_JUMP_AFTER_ONE, _JUMP_OVER_ONE * rates[0] * gap)
    usual = max(_JUMP_OVER_MEDIAN * _median(rates), _JUMP_OVER_MOST * max(rates))
    return max(_LEAST_JUMP, usual * gap)


def _median(rates: Sequence[float]) -> float:
    """The upper median; the statistics module takes longer to import than all of this to run."""
    return sorted(rates)[len(rates) // 2]


def _gap(before: Snapshot, after: Snapshot) -> int | float:
    """Epochs between two checkpoints, at least one."""
    first, last = before.metadata.epoch, after.metadata.epoch
    return max(1, last - first) if first is not None and last is not None else 1


def _is_better(after: Snapshot, before: Snapshot) -> bool:
    """Whether the score says that the weights moved to a better place."""
    new, old = after.metadata.metric, before.metadata.metric
    if new is None or old is None or new.name != old.name or new.mode is None:
        return False
    return new.value > old.value if new.mode is Mode.MAX else new.value < old.value


def _between(before: Snapshot, after: Snapshot) -> Distance | None:
    return distance(
        SampledTensor(fqn, dtype, old.numel, old.sample, new.sample)
        for fqn, dtype, _ in before.layout
        if is_trained(fqn)
        and (old := before.stats.get(fqn)) is not None
        and (new := after.stats.get(fqn)) is not None
    )
