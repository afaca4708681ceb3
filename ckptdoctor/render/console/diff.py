"""The result of ``diff`` for a person at a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.checkpoint import Role
from ckptdoctor.difference import Change, Difference, Movement
from ckptdoctor.render.console.columns import NARROW, list_table
from ckptdoctor.render.console.screen import Screen, drawn, print_finding, print_hanging
from ckptdoctor.render.text import number, plural, printable, shorten_middle

__all__ = ["diff_text"]

_MAX_LAYERS = 8
_MAX_CHANGES = 5
_MAX_FINDINGS = 3
_BAR = 10
_INDENT = 3


def diff_text(found: Difference, screen: Screen, *, everything: bool = False) -> str:
    """What moved, most first, and what else changed; it fits 24 lines unless all is asked for."""
    console = screen.console()
    console.print(Text.assemble("a  ", (printable(found.a), "bold")), soft_wrap=True)
    console.print(Text.assemble("b  ", (printable(found.b), "bold")), soft_wrap=True)
    for line in _verdict(found):
        print_hanging(console, Text(line), _INDENT)
    for finding in found.findings[: None if everything else _MAX_FINDINGS]:
        print_finding(console, finding)
    if len(found.findings) > _MAX_FINDINGS and not everything:
        rest = len(found.findings) - _MAX_FINDINGS
        words = f"  … and {plural(rest, 'tensor')} more like this (--all)"
        print_hanging(console, Text(words, "dim"), _INDENT)
    if screen.verbosity >= 0:
        _print_layers(console, found, everything=everything)
        _print_changes(console, found.changes, everything=everything)
        _print_names(console, found)
    return drawn(console)


def _verdict(found: Difference) -> Iterator[str]:
    """What it adds up to, in words."""
    if found.nothing_in_common:
        yield "The two have no tensor in common."
        for side, names in (("a", found.removed), ("b", found.added)):
            shown = ", ".join(printable(name) for name in names[:3])
            yield f"   only in {side}: {shown}{' …' if len(names) > 3 else ''}"
        return
    if found.identical:
        yield "The two are identical: every tensor, every value."
        yield from (f"Note: {printable(note)}" for note in found.notes)
        return
    for role, name in _NAMES.items():
        if found.total(role).numel:
            yield from (f"The {name} {words}." for words in _words(found, role))
    for note in found.notes:
        yield f"Note: {printable(note)}"


_NAMES = {Role.MODEL: "weights", Role.EMA: "EMA", Role.OPTIMIZER: "optimizer's state"}
_SEVERAL = (Role.MODEL,)


def _words(found: Difference, role: Role) -> Iterator[str]:
    """What became of a part of the state, and how far the rest of it moved."""
    moved, spoiled = found.total(role), found.spoiled(role)
    if not moved.changed:
        yield "did not change"
        return
    if spoiled:
        of_role = sum(tensor.role is role for tensor in found.tensors)
        hold = "hold" if role in _SEVERAL else "holds"
        yield (
            f"in b {hold} NaN or Inf in {spoiled} of {plural(of_role, 'tensor')}: of {moved.numel} "
            f"elements {moved.new_nan} became NaN and {moved.new_inf} infinite"
        )
    if not math.isnan(moved.relative):
        what = "that are finite in both " if spoiled else ""
        mended = f", {moved.mended} became finite" if moved.mended else ""
        yield (
            f"{what}moved by {number(moved.relative)} of the norm, at most "
            f"{number(moved.largest)}; {moved.changed} of {moved.numel} elements changed{mended}"
        )
    elif moved.mended:
        yield f"became finite in {moved.mended} of {moved.numel} elements"


def _print_layers(console: Console, found: Difference, *, everything: bool) -> None:
    layers = found.by_distance()
    moved = [row for row in layers if row[1].changed]
    if not moved:
        return
    shown = moved if everything else moved[:_MAX_LAYERS]
    console.print()
    console.print(_layers(shown, console.width))
    hidden, still = len(moved) - len(shown), len(layers) - len(moved)
    parts = [f"{plural(hidden, 'layer')} more (--all)"] if hidden else []
    parts += [f"{plural(still, 'layer')} did not change"] if still else []
    if parts:
        console.print(Text(f"  … {', '.join(parts)}", "dim"))


def _layers(shown: Sequence[tuple[str, Movement]], width: int) -> Table:
    """A row a layer; on a narrow screen a list."""
    if width < NARROW:
        return list_table([_item(name, movement, width) for name, movement in shown])
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("layer", no_wrap=True)
    table.add_column("moved", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("largest", justify="right", no_wrap=True)
    table.add_column("changed", justify="right", no_wrap=True)
    finite = [m.relative for _, m in shown if m.relative < float("inf")]
    most = max(finite, default=0.0) or 1.0
    for name, movement in shown:
        bad = movement.new_nan or movement.new_inf
        share = min(1.0, movement.relative / most) if movement.relative > 0.0 else 0.0
        bar = "█" * max(1, round(_BAR * share))
        table.add_row(
            shorten_middle(printable(name), max(16, width - 46)),
            number(movement.relative),
            bar if movement.relative > 0.0 else "",
            number(None if math.isnan(movement.relative) else movement.largest),
            _changed(movement),
            style="red" if bad else "",
        )
    return table


def _changed(movement: Movement) -> str:
    return f"{movement.changed}" + (f", {movement.new_nan} NaN" if movement.new_nan else "")


def _item(name: str, movement: Movement, width: int) -> tuple[Text, Text, list[Text]]:
    """A layer for a list: its name, and below how far it moved."""
    bad = bool(movement.new_nan or movement.new_inf)
    moved = f"moved {number(movement.relative)}"
    if not math.isnan(movement.relative):
        moved += f", at most {number(movement.largest)}"
    called = Text(shorten_middle(printable(name), max(16, width - 3)))
    mark = Text("✗" if bad else "·", "red" if bad else "dim")
    return mark, called, [Text(f"{moved}; changed: {_changed(movement)}")]


def _print_changes(console: Console, changes: Sequence[Change], *, everything: bool) -> None:
    if changes:
        console.print()
    for change in changes if everything else changes[:_MAX_CHANGES]:
        before, after = (_value(value) for value in (change.before, change.after))
        line = f"{printable(change.key)}: {before} → {after}"
        console.print(Text(shorten_middle(line, console.width)))
    if len(changes) > _MAX_CHANGES and not everything:
        rest = len(changes) - _MAX_CHANGES
        console.print(Text(f"  … {plural(rest, 'value')} more (--all)", "dim"))


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return number(value)
    return printable(str(value))


def _print_names(console: Console, found: Difference) -> None:
    """What only one of them has, and what has another shape or type."""
    retyped = [tensor for tensor in found.tensors if tensor.dtype != tensor.other_dtype]
    rows = [
        ("added", list(found.added)),
        ("removed", list(found.removed)),
        ("lost", list(found.lost)),
        (
            "reshaped",
            [f"{row.fqn} {_shape(row.before)} → {_shape(row.after)}" for row in found.reshaped],
        ),
        ("other dtype", [f"{t.fqn} {t.dtype} → {t.other_dtype}" for t in retyped]),
    ]
    if found.nothing_in_common:
        return
    for title, names in rows:
        if names:
            text = f"{len(names)} {title}: {', '.join(printable(name) for name in names[:3])}"
            text += " …" if len(names) > 3 else ""
            for line in textwrap.wrap(text, console.width, subsequent_indent="  ")[:2]:
                console.print(Text(line))


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
