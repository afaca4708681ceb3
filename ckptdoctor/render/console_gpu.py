"""GPU memory for a person at a terminal, and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.gpu import Gpu, GpuProcess
from ckptdoctor.render.as_json import SCHEMA_VERSION, TOOL, dump
from ckptdoctor.render.screen import Screen, drawn
from ckptdoctor.render.text import bytes_text, printable, shorten_middle

__all__ = ["gpu_json", "gpu_text"]

_HIDDEN_NBYTES = 200 << 20  # less than that the driver needs for itself
_MOST_PROCESSES = 10


def gpu_text(gpus: Sequence[Gpu], screen: Screen) -> str:
    """The result of ``gpu``: every GPU with its processes, then what to do."""
    console = screen.console()
    for gpu in gpus:
        busy = "" if gpu.percent is None else f", {gpu.percent} % busy"
        used = f"{bytes_text(gpu.used_nbytes)} of {bytes_text(gpu.total_nbytes)} used{busy}"
        console.print(Text(f"GPU {gpu.index} {printable(gpu.name)}: {used}", "bold"))
        if gpu.processes and screen.verbosity >= 0:
            console.print(_table(gpu.processes))
        if (hidden := gpu.hidden_nbytes) > _HIDDEN_NBYTES:
            text = f"  {bytes_text(hidden)} are held by nobody who can be seen from here"
            console.print(Text(f"{text}: another container, another user, or a process that died"))
    if screen.verbosity >= 0:
        _print_advice(console, [one for gpu in gpus for one in gpu.processes])
    return drawn(console)


def _table(processes: Sequence[GpuProcess]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("", "pid", "memory", "GPU", "CPU", "program", "user", ""):
        right = name in ("pid", "memory", "GPU", "CPU")
        table.add_column(name, justify="right" if right else "left")
    for one in processes[:_MOST_PROCESSES]:
        what = "idle: holds memory, computes nothing" if one.is_idle else ""
        table.add_row(
            " ",
            str(one.pid),
            "?" if one.used_nbytes is None else bytes_text(one.used_nbytes),
            "" if one.gpu_percent is None else f"{one.gpu_percent} %",
            "" if one.cpu_percent is None else f"{one.cpu_percent:.0f} %",
            Text(shorten_middle(printable(one.name or "not visible"), 16)),
            Text(shorten_middle(printable(one.user), 10)),
            Text("this process" if one.is_self else what, "yellow" if one.is_idle else ""),
        )
    return table


def _print_advice(console: Console, processes: Sequence[GpuProcess]) -> None:
    console.print(Text("To free it:", "bold"))
    idle = [one for one in processes if one.is_idle and not one.is_self and one.name]
    for one in idle[:3]:
        console.print(Text(f"  kill {one.pid}    ends {printable(one.name)}, which only holds it"))
    console.print(
        "  in a notebook: interrupt, then  import ckptdoctor; ckptdoctor.free_gpu_memory()"
    )
    console.print("  if it is still held: restart the kernel, which always frees it")


def gpu_json(gpus: Sequence[Gpu], error: str = "") -> str:
    """The result of ``gpu`` as JSON."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            "gpus": [_gpu(gpu) for gpu in gpus],
            "error": error or None,
        }
    )


def _gpu(gpu: Gpu) -> dict[str, object]:
    return {
        "index": gpu.index,
        "name": gpu.name,
        "total_bytes": gpu.total_nbytes,
        "used_bytes": gpu.used_nbytes,
        "hidden_bytes": gpu.hidden_nbytes,
        "percent": gpu.percent,
        "processes": [
            {
                "pid": one.pid,
                "name": one.name,
                "user": one.user,
                "used_bytes": one.used_nbytes,
                "gpu_percent": one.gpu_percent,
                "cpu_percent": one.cpu_percent,
                "idle": one.is_idle,
                "is_self": one.is_self,
            }
            for one in gpu.processes
        ],
    }
