"""How to walk through two tensors at once: boxes of indices that fit a buffer, whatever the strides.

Two tensors that lie alike are one long row, read run by run. One that is transposed against the
other is read in tiles, so that both sides get runs worth a call; one with gaps is read gaps and
all, or run by run, whichever is cheaper. Memory is that of the two buffers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Layout", "Walk", "lay_out", "walk"]

_RUN = 256  # elements that both sides get in one piece, where they disagree on the order

# What reading a box costs, in microseconds; measured roughly, and only their ratios matter.
_PER_BOX, _PER_READ, _NBYTES = 80.0, 1.0, 1e4


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of both tensors, or several that are one in both.

    Attributes:
        size: how many indices.
        steps: elements between neighbours, in A and in B.
        dims: the dimensions it stands for, and their sizes; the slowest first.
    """

    size: int
    steps: tuple[int, int]
    dims: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """Every element of both tensors, once, box by box.

    Attributes:
        axes: the slowest in A first.
        box: the size of a box along each; those at the far ends are smaller.
        ndim: dimensions of the tensors.
        repeats: how many elements share each place in both: those of expanded dimensions.
    """

    axes: tuple[Axis, ...]
    box: tuple[int, ...]
    ndim: int
    repeats: int

    @property
    def numel(self) -> int:
        """Elements to compare."""
        return math.prod(axis.size for axis in self.axes)

    @property
    def boxes(self) -> int:
        """How many boxes."""
        return math.prod(self._counts())

    def place(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first index of a box along each axis, and its sizes."""
        starts = [0] * len(self.axes)
        counts = self._counts()
        for at in reversed(range(len(self.axes))):
            number, step = divmod(number, counts[at])
            starts[at] = step * self.box[at]
        sizes = (
            min(most, axis.size - start)
            for axis, most, start in zip(self.axes, self.box, starts, strict=True)
        )
        return tuple(starts), tuple(sizes)

    def index(self, starts: Sequence[int], sizes: Sequence[int], element: int) -> tuple[int, ...]:
        """The index in the tensors of an element of a box, which is counted row by row."""
        found = [0] * self.ndim
        for at in reversed(range(len(self.axes))):
            element, inside = divmod(element, sizes[at])
            place = starts[at] + inside
            for dim, size in reversed(self.axes[at].dims):
                place, found[dim] = divmod(place, size)
        return tuple(found)

    def _counts(self) -> list[int]:
        return [-(-axis.size // most) for axis, most in zip(self.axes, self.box, strict=True)]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a box of one tensor lies in a buffer.

    Attributes:
        reads: calls that bring it in.
        slot: elements that each of them reads, gaps included.
        strides: steps along the axes in the buffer, in elements.
        apart: size of the box and step in the file along the axes that are read index by index.
    """

    reads: int
    slot: int
    strides: tuple[int, ...]
    apart: tuple[tuple[int, int], ...]

    def offsets(self) -> Iterator[int]:
        """Where each read starts, in elements from the first of the box."""
        ranges = (range(0, size * step, step) for size, step in self.apart)
        return map(sum, itertools.product(*ranges))


def lay_out(steps: Sequence[int], sizes: Sequence[int], room: int) -> Layout | None:
    """The layout with the fewest reads; None if none fits.

    Args:
        steps: elements between neighbours in the file, along each axis.
        sizes: of the box.
        room: elements that fit the buffer.
    """
    order = sorted(
        (at for at, size in enumerate(sizes) if size > 1 and steps[at] > 0),
        key=lambda at: -steps[at],
    )
    for split in range(len(order) + 1):
        outer, inner = order[:split], order[split:]
        slot = 1 + sum((sizes[at] - 1) * steps[at] for at in inner)
        reads = math.prod(sizes[at] for at in outer)
        if reads * slot <= room:
            strides = [0] * len(sizes)
            for at in inner:
                strides[at] = steps[at]
            width = slot
            for at in reversed(outer):
                strides[at] = width
                width *= sizes[at]
            apart = tuple((sizes[at], steps[at]) for at in outer)
            return Layout(reads, slot, tuple(strides), apart)
    return None


def walk(
    shape: Sequence[int],
    strides: tuple[Sequence[int], Sequence[int]],
    rooms: tuple[int, int],
    numel: int,
) -> Walk:
    """The way through two tensors of one shape.

    Args:
        shape: of both; no dimension is empty.
        strides: of A and of B, in elements.
        rooms: elements that fit the buffer of each.
        numel: the most elements of a box.
    """
    axes, repeats = _axes(shape, strides)
    if all(axis.steps == (1, 1) for axis in axes):  # at most one, and nearly all tensors
        box: tuple[int, ...] = tuple(min(axis.size, numel, *rooms) for axis in axes)
    else:
        box = _box(axes, rooms, numel)
    return Walk(axes, box, len(shape), repeats)


def _axes(
    shape: Sequence[int], strides: tuple[Sequence[int], Sequence[int]]
) -> tuple[tuple[Axis, ...], int]:
    """The dimensions that matter, neighbours that are one in both joined; the expanded counted."""
    repeats, single = 1, []
    for dim, (size, *steps) in enumerate(zip(shape, *strides, strict=True)):
        if not any(steps):
            repeats *= size
        elif size > 1:
            single.append(Axis(size, (steps[0], steps[1]), ((dim, size),)))
    single.sort(key=lambda axis: (-axis.steps[0], -axis.steps[1], axis.dims))
    joined: list[Axis] = []
    for axis in single:
        if joined and joined[-1].steps == tuple(step * axis.size for step in axis.steps):
            outer = joined.pop()
            joined.append(Axis(outer.size * axis.size, axis.steps, outer.dims + axis.dims))
        else:
            joined.append(axis)
    return tuple(joined), repeats


def _box(axes: Sequence[Axis], rooms: tuple[int, int], numel: int) -> tuple[int, ...]:
    """The sizes that make an element cheapest, found one axis at a time."""
    sizes = [1] * len(axes)
    by_step = [
        sorted(range(len(axes)), key=lambda at, side=side: axes[at].steps[side] or math.inf)  # type: ignore[misc]
        for side in (0, 1)
    ]
    for order in by_step:  # first a run for either side
        missing = _RUN
        for at in order:
            sizes[at] = max(sizes[at], _best(axes, sizes, at, missing, rooms))
            missing = -(-missing // sizes[at])
    for order in by_step:  # then as much as fits
        for at in order:
            others = math.prod(sizes) // sizes[at]
            sizes[at] = _best(axes, sizes, at, numel // others, rooms)
    return tuple(sizes)


def _best(
    axes: Sequence[Axis], sizes: list[int], at: int, most: int, rooms: tuple[int, int]
) -> int:
    """The cheapest size along one axis, not smaller than it is."""
    choices = {sizes[at]}
    size = min(axes[at].size, most)
    while size > sizes[at]:
        choices.add(size)
        size //= 2

    def cost(size: int) -> float:
        box = [*sizes[:at], size, *sizes[at + 1 :]]
        spent = _PER_BOX
        for side in (0, 1):
            layout = lay_out([axis.steps[side] for axis in axes], box, rooms[side])
            if layout is None:
                return math.inf
            spent += layout.reads * (_PER_READ + layout.slot / _NBYTES)
        return spent / math.prod(box)

    return min(choices, key=cost)
