"""GPU memory for a person at a terminal: 80 columns, 24 lines."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.gpu import Activity, Advice, Gpu, GpuProcess, GpuReport, advise
from ckptdoctor.render.console.screen import Screen, drawn
from ckptdoctor.render.text import bytes_text, plural, printable, shorten_middle

__all__ = ["gpu_text"]

# With the lines around them, at most 5 + 7 + 8 + 4: a screen of 24 lines.
_GPU_LINES = 4
_PROCESS_LINES = 5
_ADVICE_LINES = 7

_STYLE = {
    Activity.COMPUTING: "green",
    Activity.BUSY: "green",
    Activity.IDLE: "yellow",
    Activity.STOPPED: "yellow",
    Activity.ZOMBIE: "red",
    Activity.UNKNOWN: "dim",
}
_NOTHING = "Nothing to free: no process holds memory here."
_FORCE = "  Still there after ten seconds: kill -9 PID. Files on the disk stay."
_RESTART = "  Still held after that: restart the kernel. Files on the disk stay."


def gpu_text(report: GpuReport, screen: Screen) -> str:
    """The result of ``gpu``: each GPU, who holds its memory, and what to do.

    Args:
        report: with at least one GPU.
        screen: where quiet leaves only the lines of the GPUs.
    """
    console = screen.console()
    _print_gpus(console, report, quiet=screen.verbosity < 0)
    if screen.verbosity < 0:
        return drawn(console)
    rows = list(report.processes())
    if rows:
        console.print(_table(rows, console.width))
    left = len(rows) - _PROCESS_LINES
    if left > 0:
        console.print(Text(f"  and {left} more: see --format json", "dim"))
    _print_advice(console, advise(report))
    return drawn(console)


def _print_gpus(console: Console, report: GpuReport, *, quiet: bool) -> None:
    fullest = sorted(report.gpus, key=lambda gpu: (not gpu.problem, -(gpu.used_bytes or 0)))
    shown = fullest if quiet else fullest[:_GPU_LINES]
    for gpu in sorted(shown, key=lambda gpu: (gpu.index, gpu.instance or 0)):
        line = Text(_gpu_line(gpu, console.width), "red" if gpu.problem else "bold")
        console.print(line, no_wrap=True, overflow="ellipsis")
    if left := len(report.gpus) - len(shown):
        console.print(Text(f"  and {plural(left, 'GPU')} with less in use: see --quiet", "dim"))


def _gpu_line(gpu: Gpu, width: int) -> str:
    """``GPU 0 NVIDIA L4: 18 GB of 24 GB in use, 97% busy``."""
    if gpu.problem:
        return f"GPU {gpu.label}: {printable(gpu.problem)}"
    parts = []
    if gpu.used_bytes is not None and gpu.total_bytes is not None:
        parts.append(f"{bytes_text(gpu.used_bytes)} of {bytes_text(gpu.total_bytes)} in use")
    if gpu.utilisation is not None:
        parts.append(f"{gpu.utilisation}% busy")
    said = ", ".join(parts) or "the driver does not say what is in use"
    start = f"GPU {gpu.label} "
    name = shorten_middle(printable(gpu.name), max(8, width - len(start) - len(said) - 2))
    return f"{start}{name}: {said}"


def _table(rows: list[tuple[Gpu, GpuProcess]], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("GPU", "pid", "memory", "SM", "CPU"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("user", no_wrap=True)
    table.add_column("is", no_wrap=True)
    table.add_column("process", no_wrap=True, overflow="ellipsis")
    largest = sorted(rows, key=lambda row: -(row[1].used_bytes or 0))[:_PROCESS_LINES]
    for gpu, process in largest:
        table.add_row(
            gpu.label,
            str(process.pid),
            "–" if process.used_bytes is None else bytes_text(process.used_bytes),
            _percent(process.sm_utilisation),
            _percent(None if process.cpu_share is None else round(process.cpu_share * 100)),
            shorten_middle(printable(process.user), 10) or "–",
            Text(process.activity.value, _STYLE[process.activity]),
            Text(_who(process, max(12, width - 52))),
        )
    return table


def _percent(value: int | None) -> str:
    return "–" if value is None else f"{value}%"


def _who(process: GpuProcess, width: int) -> str:
    """The program, and whether it is the notebook that asks."""
    if process.is_notebook:  # its program is "python -m ipykernel_launcher", or the like
        return "this notebook" if process.is_ancestor else "a notebook"
    mark = " ← this command" if process.is_self else ""
    return (shorten_middle(printable(process.name), max(4, width - len(mark))) or "–") + mark


def _print_advice(console: Console, advice: tuple[Advice, ...]) -> None:
    if not advice:
        console.print(Text(_NOTHING))
        return
    console.print(Text("What to do:", "bold"))
    used = 0
    shown = 0
    for one in advice:
        lines = _advice_lines(one, console.width)
        if used and used + len(lines) > _ADVICE_LINES:
            break
        used, shown = used + len(lines), shown + 1
        for line in lines:
            console.print(line, no_wrap=True, overflow="ellipsis")
    if shown < len(advice):
        console.print(Text(f"  and {len(advice) - shown} more: see --format json", "dim"))
    if any(one.command.startswith("kill") for one in advice[:shown]):
        console.print(Text(_FORCE, "dim"))
    if any(one.command.startswith("ckptdoctor.") for one in advice[:shown]):
        console.print(Text(_RESTART, "dim"))


def _advice_lines(advice: Advice, width: int) -> list[Text]:
    """Who, what is so, and the command at the end, on a line of its own if it does not fit."""
    who = f"GPU {', '.join(advice.gpus)}" if advice.pid is None else str(advice.pid)
    text = f"{who}: {printable(advice.text)}"
    if advice.command and len(text) + len(advice.command) + 4 <= width:
        return [Text(f"  {text}: ").append(advice.command, "bold")]
    folded = textwrap.wrap(text, width - 4) or [""]
    lines = [Text(("  " if number == 0 else "    ") + line) for number, line in enumerate(folded)]
    if advice.command:
        lines.append(Text("    ").append(advice.command, "bold"))
    return lines
