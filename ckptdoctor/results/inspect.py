"""What ``inspect`` returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import CheckpointReport
from ckptdoctor.results.result import Result, named_one

if TYPE_CHECKING:
    from ckptdoctor.render.html.blocks import Block

__all__ = ["InspectReport", "TensorReport"]

_COLUMNS = (
    "fqn dtype shape role numel nbytes lost min max nan posinf neginf first_bad_index".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorReport:
    """One tensor, and what its elements are.

    Attributes:
        tensor: its name, dtype, shape and role.
        stats: its extremes and its NaN and Inf; None where its bytes were not read.
    """

    tensor: TensorRecord
    stats: TensorStats | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InspectReport(Result, CheckpointReport):
    """One checkpoint, tensor by tensor, those with NaN or Inf first.

    It has a length and is iterated over: the tensors that were asked for.
    ``report["model.head.weight"]`` is one of them.

    Attributes:
        tensors_shown: those that were asked for.
    """

    tensors_shown: tuple[TensorRecord, ...] = ()

    def __repr__(self) -> str:
        from ckptdoctor.render.text import plural, printable

        totals = self.tensors
        held = f"{plural(totals.count, 'tensor')}, {totals.nan} NaN, {totals.inf} Inf"
        if self.headers_only:
            held = f"{plural(totals.count, 'tensor')}, none of them read"
        verdict = "not examined" if self.told_verdict is None else self.told_verdict.value
        return f"<InspectReport: {printable(self.path)}: {verdict}; {held}>"

    def __len__(self) -> int:
        return len(self.tensors_shown)

    def __iter__(self) -> Iterator[TensorReport]:
        return map(self._with_stats, self.tensors_shown)

    def __getitem__(self, name: str) -> TensorReport:
        known = {tensor.fqn: [tensor] for tensor in self.tensors_shown}
        return self._with_stats(named_one(name, known, "tensor"))

    def _with_stats(self, tensor: TensorRecord) -> TensorReport:
        return TensorReport(tensor=tensor, stats=self.stats.get(tensor.fqn))

    def to_html(self) -> str:
        """What ``--format html`` writes."""
        from ckptdoctor.render.html.small import inspect_html

        return inspect_html(self, self.tensors_shown)

    def _json(self) -> str:
        from ckptdoctor.render.machine.as_json import inspect_json

        return inspect_json(self, list(self.tensors_shown))

    def _columns(self) -> list[str]:
        return _COLUMNS

    def _records(self) -> list[dict[str, Any]]:
        return [_record(one) for one in self]

    def _title(self) -> str:
        from ckptdoctor.render.wording import brief

        return brief(self.path.name or self.path, 200)

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import inspect_blocks

        return inspect_blocks(self, self.tensors_shown)


def _record(one: TensorReport) -> dict[str, Any]:
    tensor, stats = one.tensor, one.stats
    return {
        "fqn": tensor.fqn,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "role": tensor.role.value,
        "numel": tensor.numel,
        "nbytes": tensor.nbytes,
        "lost": tensor.lost,
        "min": None if stats is None else stats.min,
        "max": None if stats is None else stats.max,
        "nan": None if stats is None else stats.nan,
        "posinf": None if stats is None else stats.posinf,
        "neginf": None if stats is None else stats.neginf,
        "first_bad_index": None if stats is None else stats.first_bad_index,
    }
