"""What ``diff`` returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ckptdoctor.checkpoint import Role
from ckptdoctor.difference import Difference, TensorDifference
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.results.result import Result, named_one

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ckptdoctor.render.html.blocks import Block

__all__ = ["DiffReport"]

_COLUMNS = (
    *("fqn", "other", "layer", "role", "shape", "dtype", "other_dtype", "numel", "changed"),
    *("relative", "largest", "new_nan", "new_inf", "mended"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DiffReport(Result, Difference):
    """A difference that shows itself in two lines.

    It has a length and is iterated over: the tensors that both have. With the name of one of them,
    as A has it, it gives how far that moved.
    """

    def __repr__(self) -> str:
        return f"<DiffReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __len__(self) -> int:
        return len(self.tensors)

    def __iter__(self) -> Iterator[TensorDifference]:
        return iter(self.tensors)

    def __getitem__(self, name: str) -> TensorDifference:
        return named_one(name, {tensor.fqn: [tensor] for tensor in self.tensors}, "tensor")

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import number, plural, printable

        yield f"{printable(self.a)} to {printable(self.b)}"
        if self.identical:
            yield f"identical: {plural(len(self.tensors), 'tensor')}"
            return
        moved = sum(tensor.movement.changed > 0 for tensor in self.tensors)
        counts = [f"{moved} of {plural(len(self.tensors), 'tensor')} changed"]
        if any(tensor.role is Role.MODEL for tensor in self.tensors):
            if spoiled := self.spoiled():
                counts.append(f"{plural(spoiled, 'tensor')} of the weights not finite any more")
            if not math.isnan(self.total().relative):
                counts.append(f"weights by {number(self.total().relative)} of their norm")
        others = {
            "reshaped": self.reshaped,
            "added": self.added,
            "removed": self.removed,
            "lost": self.lost,
        }
        counts += [f"{len(names)} {what}" for what, names in others.items() if names]
        yield ", ".join(counts)

    def plot(self, ax: Axes | None = None) -> Axes:
        """How far the layers moved, by matplotlib.

        Args:
            ax: to draw into; None for new ones.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the message says how to.
        """
        from ckptdoctor.results.plots import plot_difference

        return plot_difference(self, ax)

    def _json(self) -> str:
        from ckptdoctor.render.machine.diff import diff_json

        return diff_json(self)

    def _columns(self) -> tuple[str, ...]:
        return _COLUMNS

    def _records(self) -> list[dict[str, Any]]:
        return [_record(tensor) for tensor in self.tensors]

    def _title(self) -> str:
        return "What moved"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import diff_blocks

        return diff_blocks(self)


def _record(tensor: TensorDifference) -> dict[str, Any]:
    moved = tensor.movement
    return {
        "fqn": tensor.fqn,
        "other": tensor.other,
        "layer": tensor.layer,
        "role": tensor.role.value,
        "shape": tensor.shape,
        "dtype": tensor.dtype,
        "other_dtype": tensor.other_dtype,
        "numel": moved.numel,
        "changed": moved.changed,
        "relative": moved.relative,
        "largest": moved.largest,
        "new_nan": moved.new_nan,
        "new_inf": moved.new_inf,
        "mended": moved.mended,
    }
