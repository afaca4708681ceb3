"""What ``--help`` says: commands by what they are for, examples that work, exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EXAMPLES", "GROUPS", "documentation", "write_commands", "write_epilog"]

GROUPS = {
    "My run died": ("scan", "autopsy", "plan", "restore", "repair"),
    "Look closer": ("inspect", "diff", "rank", "history"),
    "While it trains": ("watch", "gpu"),
    "About ckptdoctor": ("explain", "config", "cache", "demo"),
}
"""A question -> the commands that answer it, in the order in which a person needs them."""

EXAMPLES = {
    "": (
        "ckptdoctor scan checkpoints/",
        "ckptdoctor plan --command 'python train.py --resume checkpoints/last.pth'",
        "ckptdoctor restore --epoch 88",
    ),
    "scan": (
        "ckptdoctor scan",
        "ckptdoctor scan checkpoints/ -f json -o report.json",
        "ckptdoctor scan 'checkpoints/*_9*.pth' --fail-on warning",
        "ckptdoctor scan --write-baseline accepted.json",
    ),
    "inspect": (
        "ckptdoctor inspect checkpoints/best_model.pth",
        "ckptdoctor inspect checkpoints/best_model.pth -t '*running_var'",
    ),
    "diff": ("ckptdoctor diff checkpoints/checkpoint_epoch_88.pth checkpoints/best_model.pth",),
    "rank": ("ckptdoctor rank", "ckptdoctor rank checkpoints/ --metric Loss --mode min"),
    "history": (
        "ckptdoctor history --log training.log",
        "ckptdoctor history -f html -o history.html",
    ),
    "restore": (
        "ckptdoctor restore --epoch 88 --scale-lr 0.5",
        "ckptdoctor restore --average 3 -o average.pth",
        "ckptdoctor restore --from checkpoints/checkpoint_epoch_88.pth --dry-run",
    ),
    "repair": (
        "ckptdoctor repair checkpoints/best_model.pth --dry-run",
        "ckptdoctor repair checkpoints/best_model.pth -o repaired.pth",
    ),
    "plan": (
        "ckptdoctor plan --command 'python train.py --resume checkpoints/last.pth'",
        "ckptdoctor plan --added deep-supervision",
    ),
    "autopsy": (
        "ckptdoctor autopsy",
        "ckptdoctor autopsy checkpoints/ -o report.html",
    ),
    "watch": (
        "ckptdoctor watch checkpoints/ --once",
        "ckptdoctor watch checkpoints/ --once --on-alert 'tee -a alerts.jsonl'",
    ),
    "explain": ("ckptdoctor explain CD201", "ckptdoctor explain NaN"),
    "gpu": ("ckptdoctor gpu",),
    "config": ("ckptdoctor config", "ckptdoctor config checkpoints/ --ignore CD407"),
    "cache": ("ckptdoctor cache", "ckptdoctor cache --clear"),
    "demo": ("ckptdoctor demo", "ckptdoctor demo my-folder"),
}
"""A command, or "" for none -> lines to try, in the folder that ``demo`` makes too."""

_EXIT_CODES = (
    ("0", "nothing at or above --fail-on"),
    ("1", "findings at or above it"),
    ("2", "wrong usage"),
    ("3", "nothing to examine"),
    ("4", "refused, nothing was written"),
    ("70", "our bug"),
    ("130", "interrupted"),
)


def write_commands(commands: Mapping[str, Any], formatter: Any) -> None:
    """Write what each command does, by what it is for.

    Args:
        commands: by name.
        formatter: of the parser.
    """
    width = max(map(len, commands))
    for title, names in GROUPS.items():
        rows = [
            (name.ljust(width), commands[name].get_short_help_str(formatter.width))
            for name in names
            if name in commands
        ]
        with formatter.section(title):
            formatter.write_dl(rows)


def write_epilog(name: str, formatter: Any) -> None:
    """Write the examples of a command, of the program with its exit codes.

    Args:
        name: of the command; "" for the program.
        formatter: of the parser.
    """
    with formatter.section("Examples"):
        for line in EXAMPLES.get(name, ()):
            formatter.write(f"  {line}\n")
    if not name:
        with formatter.section("Exit codes"):
            formatter.write_dl(_EXIT_CODES)
        if where := documentation():
            with formatter.section("Documentation"):
                formatter.write(f"  {where}\n")


def documentation() -> str:
    """The address of the documentation, as the package was built with; "" where none was set."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("ckptdoctor").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from where it lies
        return ""
    named = (url.partition(", ") for url in urls)
    where = next((url for name, _, url in named if name == "Documentation"), "")
    return "" if "/OWNER/" in where else where
