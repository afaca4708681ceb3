"""The result of ``repair``, for a person and for programs."""

from __future__ import annotations

from rich.text import Text

from ckptdoctor.recovery.repair.flip import Certainty, Repaired
from ckptdoctor.recovery.repair.words import flip_object, odds_text, told_place, told_values
from ckptdoctor.render.console.screen import Screen, drawn
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump
from ckptdoctor.render.text import plural, printable
from ckptdoctor.shell import command_line
from ckptdoctor.sources.descriptors import is_far

__all__ = ["repaired_json", "repaired_text"]


def repaired_text(done: Repaired, screen: Screen) -> str:
    """What was wrong, how sure it is, and what was written."""
    console = screen.console()
    if done.sound:
        console.print(Text(f"{printable(done.source)}: every checksum fits: nothing to repair"))
        return drawn(console)
    head = ("✓ wrote ", "green") if done.written else ("would write ", "")
    console.print(Text.assemble(head, (printable(done.destination), "bold")), soft_wrap=True)
    console.print(Text(f"  from {printable(done.source)}"), soft_wrap=True)
    for flip in done.flips:
        console.print(Text(f"  {printable(told_place(flip))}"), soft_wrap=True)
        if values := told_values(flip):
            console.print(Text(f"    {values}"))
    for span in done.spans:
        text = f"  {plural(span.nbytes, 'byte')} from byte {span.start} on, by the parity"
        console.print(Text(text))
    console.print(Text(f"  {_sure(done)}", "yellow" if _is_unsure(done) else ""), soft_wrap=True)
    for witness in done.witnesses:
        console.print(Text(f"    {printable(witness)}"), soft_wrap=True)
    if done.written:
        console.print(Text("  read back, scanned, and compared with the source"))
        console.print(Text(f"  sha256 {done.sha256}", "dim"))
        command = command_line("ckptdoctor", "scan", done.destination)
        console.print(Text(f"Check it any time:  {command}"), soft_wrap=True)
        if not (is_far(done.source) or is_far(done.destination)):
            command = command_line("mv", done.destination, done.source)
            console.print(Text(f"To put it in place:  {command}"), soft_wrap=True)
    return drawn(console)


def _is_unsure(done: Repaired) -> bool:
    return done.certainty is Certainty.LIKELY


def _sure(done: Repaired) -> str:
    if done.certainty is Certainty.PROVED:
        return "proved: these are the bytes that the file had"
    odds = f"the odds that other damage looks like this are {odds_text(done.odds)}"
    return f"likely, not certain: {odds}" if _is_unsure(done) else f"decided: {odds}"


def repaired_json(done: Repaired) -> str:
    """The same as JSON."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "source": str(done.source),
            "destination": str(done.destination),
            "written": done.written,
            "sound": done.sound,
            "certainty": None if done.certainty is None else done.certainty.value,
            "odds": done.odds,
            "flips": [flip_object(flip) for flip in done.flips],
            "given_back": [{"start": one.start, "nbytes": one.nbytes} for one in done.spans],
            "witnesses": list(done.witnesses),
            "refused": list(done.refused),
            "sha256": done.sha256 or None,
            "manifest": None if done.manifest is None else str(done.manifest),
        }
    )
