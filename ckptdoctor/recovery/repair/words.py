"""What is found in words: for the screen, the manifest, and the reason why nothing was written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.recovery.repair.flip import Certainty, Flip, FlipIn, Repaired
from ckptdoctor.scanning.flipped import told_values as values_in_words
from ckptdoctor.shell import command_line

__all__ = [
    "actions_of_repair",
    "flip_object",
    "no_checksum",
    "odds_text",
    "told",
    "told_place",
    "told_values",
    "why_undecided",
]

_NEVER = 1e-12
_ELSE = (
    "Copy it again from where it was written, or use an earlier checkpoint. Files of torch.save "
    "since 1.6 hold checksums; safe_save(parity=0.01) keeps what gives lost bytes back."
)
_STANDS_IN = {
    FlipIn.DATA: "",
    FlipIn.CHECKSUM: "the stored checksum of ",
    FlipIn.HEADER: "the headers of ",
}


def told(flip: Flip) -> str:
    """A bit, where it lies and what it did, in one sentence."""
    values = told_values(flip)
    return told_place(flip) + (f": {values}" if values else "")


def told_place(flip: Flip) -> str:
    """Where a bit lies."""
    where = f"bit {flip.bit} of byte {flip.byte}"
    if flip.tensor and flip.index is not None:
        part = "" if flip.part is None else f", in its {flip.part.words}"
        return f"{where}: {flip.tensor}{list(flip.index)}{part}"
    if flip.place is FlipIn.DATA:
        return f"{where}, in {flip.record}" if flip.record else where
    of = f"{_STANDS_IN[flip.place]}{flip.record}" if flip.record else "the end of the archive"
    return f"{where}, in {of}" + (": the data is right" if flip.place is FlipIn.CHECKSUM else "")


def told_values(flip: Flip) -> str:
    """What an element is and was; "" where it is no number."""
    return values_in_words(flip.old, flip.new)


def odds_text(odds: float) -> str:
    """``1 in 32``; how often other damage looks like what was found."""
    if odds <= _NEVER:
        return "never"
    times = 1 / odds
    return f"1 in {times:.0f}" if times < 1000 else f"1 in {_rounded(times)}"


def _rounded(times: float) -> str:
    digits = 10 ** (int(math.log10(times)) - 1)
    return f"{int(times // digits * digits):,}"


def no_checksum(path: Path, format_: str) -> tuple[str, ...]:
    """Why a file of another format cannot be repaired."""
    return (f"{path}: {format_} stores no checksum, so which bit is wrong cannot be found", _ELSE)


def why_undecided(found: Repaired, doubts: Sequence[str]) -> tuple[str, ...]:
    """Why nothing was written, though one bit would make the checksum fit."""
    path = found.source
    lines = [f"{path}: {told(flip)}" for flip in found.flips]
    if doubts:
        lines[:0] = [f"{path}: nothing was written: one bit would make every checksum fit, but"]
        lines += [f"  {doubt}" for doubt in doubts]
        lines += ["A wrong repair is worse than none. Use another copy, or an earlier checkpoint."]
        return tuple(lines)
    likely = command_line("ckptdoctor", "repair", path, "--accept-odds")
    proved = command_line("ckptdoctor", "repair", path, "--sha256")
    odds = (
        "The odds that any other damage to this record looks like one flipped bit are "
        f"{odds_text(found.odds)}, and nothing else in the file tells which it was."
    )
    return (
        f"{path}: nothing was written: one flipped bit explains the damage, and so may chance",
        *lines,
        odds,
        f"If you know its SHA-256, it decides:  {proved} …",
        f"If you take the odds:  {likely}",
    )


def flip_object(flip: Flip) -> dict[str, object]:
    """A bit for programs."""
    return {
        "byte": flip.byte,
        "bit": flip.bit,
        "in": flip.place.value,
        "record": flip.record or None,
        "tensor": flip.tensor or None,
        "index": None if flip.index is None else list(flip.index),
        "dtype": flip.dtype or None,
        "part": None if flip.part is None else flip.part.value,
        "old": _plain(flip.old),
        "new": _plain(flip.new),
        "also": list(flip.others),
    }


def _plain(value: float | None) -> float | int | str | None:
    """A value that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def actions_of_repair(found: Repaired) -> list[dict[str, object]]:
    """What the manifest says was done."""
    actions: list[dict[str, object]] = [
        {"name": "flip", "message": told(flip)} | flip_object(flip) for flip in found.flips
    ]
    actions += [
        {
            "name": "parity",
            "message": f"{span.nbytes} bytes from byte {span.start} on are given back",
            "start": span.start,
            "nbytes": span.nbytes,
        }
        for span in found.spans
    ]
    certainty = found.certainty or Certainty.LIKELY
    return [
        {
            "name": "repair",
            "message": f"{certainty.value}: {'; '.join(found.witnesses) or 'the checksum fits'}",
            "certainty": certainty.value,
            "odds": found.odds,
            "witnesses": list(found.witnesses),
        },
        *actions,
    ]
