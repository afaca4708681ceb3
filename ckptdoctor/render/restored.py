"""The result of ``restore``, for a person and for programs."""

from __future__ import annotations

import textwrap
from dataclasses import asdict

from rich.text import Text

from ckptdoctor.metadata import count_text
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.recovery.weights_only import SafeLoad
from ckptdoctor.render.console.screen import Screen, drawn
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump
from ckptdoctor.render.text import printable
from ckptdoctor.shell import command_line

__all__ = ["restore_json", "restore_text"]


def restore_text(done: Restored, screen: Screen) -> str:
    """What was written, from what, what was changed, and what the training script will notice."""
    console = screen.console()
    head = "✓ wrote " if done.verified else "would write "
    console.print(
        Text.assemble((head, "green" if done.verified else ""), (_name(done.destination), "bold")),
        soft_wrap=True,
    )
    epoch = "" if done.epoch is None else f", epoch {count_text(done.epoch)}"
    console.print(Text(f"  from {_name(done.source)}{epoch}"), soft_wrap=True)
    for action in done.actions:
        for line in _wrapped(f"{action.name}: {printable(action.message)}", console.width, 2):
            console.print(Text(line))
        for line in _wrapped(printable(action.notice), console.width, 4):
            console.print(Text(line, "yellow"))
    for line in _wrapped(_safe_load(done.safe_load, done=done.verified), console.width, 2):
        console.print(Text(line, "yellow"))
    if done.verified:
        compared = "the mean, reckoned a second way" if done.averaged else "the source"
        console.print(Text(f"  read back, scanned, and compared with {compared}"))
        console.print(Text(f"  sha256 {done.sha256}", "dim"))
        if done.kept is not None:
            text = f"  the folder that was there is {_name(done.kept)} now"
            console.print(Text(text, "yellow"), soft_wrap=True)
        if done.resume:
            console.print(Text(f"Resume:  {printable(done.resume)}"), soft_wrap=True)
        command = command_line("ckptdoctor", "scan", done.destination)
        console.print(Text(f"Check it any time:  {command}"), soft_wrap=True)
    return drawn(console)


def _safe_load(found: SafeLoad | None, *, done: bool) -> str:
    """That the loader which runs no code refuses the file, and what helps; "" where it does not."""
    if found is None or found.accepted:
        return ""
    what = "refuses" if done else "would refuse"
    helps = (
        "allow these with torch.serialization.add_safe_globals if you know who wrote the file, "
        "or take the weights alone with --to safetensors"
        if found.globals
        else "take the weights alone with --to safetensors"
    )
    return f"torch.load(weights_only=True) {what} it: {printable(found.reason)}; {helps}"


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    pad = " " * indent
    return textwrap.wrap(text, width, initial_indent=pad, subsequent_indent=pad + "  ")


def _name(path: object) -> str:
    return printable(path)


def restore_json(done: Restored) -> str:
    """The same as JSON."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "source": str(done.source),
            "destination": str(done.destination),
            "epoch": done.epoch,
            "actions": [
                {"name": action.name, "message": action.message, "notice": action.notice}
                for action in done.actions
            ],
            "verified": done.verified,
            "sha256": done.sha256 or None,
            "averaged": [str(path) for path in done.averaged],
            "manifest": None if done.manifest is None else str(done.manifest),
            "resume": done.resume or None,
            "kept": None if done.kept is None else str(done.kept),
            "weights_only": None if done.safe_load is None else asdict(done.safe_load),
        }
    )
