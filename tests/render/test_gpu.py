"""GPU memory on a screen of 80 columns and 24 lines, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ckptdoctor.gpu import Activity, Gpu, GpuProcess, GpuReport, ProcessState
from ckptdoctor.render.console.gpu import gpu_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.machine.gpu import gpu_json
from tests.each import each

GB = 10**9
PAGE = Path(__file__).parent.parent.parent / "docs" / "gpu.md"


def person(pid: int = 4711, **more: Any) -> GpuProcess:
    usual: dict[str, Any] = {
        "name": "python train.py",
        "user": "ada",
        "is_own": True,
        "used_bytes": 15 * GB,
    }
    usual |= {"state": ProcessState.SLEEPING, "activity": Activity.IDLE}
    return GpuProcess(pid=pid, **usual | {"sm_utilisation": 0, "cpu_share": 0.012} | more)


def one(*people: GpuProcess, **more: Any) -> GpuReport:
    usual: dict[str, Any] = {
        "name": "NVIDIA L4",
        "total_bytes": 24 * GB,
        "used_bytes": 15 * GB,
        "utilisation": 0,
    }
    return GpuReport(gpus=(Gpu(index=0, processes=people, **usual | more),))


def text(report: GpuReport, verbosity: int = 0) -> str:
    return gpu_text(report, Screen(width=80, colour=False, verbosity=verbosity))


def test_an_idle_run_of_ones_own() -> None:
    shown = text(one(person()))
    assert shown == (
        "GPU 0 NVIDIA L4: 15 GB of 24 GB in use, 0% busy\n"
        "GPU  pid memory SM CPU user is   process\n"
        "  0 4711  15 GB 0%  1% ada  idle python train.py\n"
        "What to do:\n"
        "  4711: yours, holds memory and computes nothing: kill 4711\n"
        "  Still there after ten seconds: kill -9 PID. Files on the disk stay.\n"
    )
    assert shown in PAGE.read_text(encoding="utf-8")


def test_the_notebook_that_asks_is_marked() -> None:
    shown = text(one(person(is_ancestor=True, is_notebook=True, name="python -m ipykernel")))
    assert "idle this notebook\n" in shown
    assert "interrupt its cell" in shown
    assert "ckptdoctor.free_gpu_memory()" in shown
    assert "restart the kernel" in shown
    assert "kill " not in shown


def test_nothing_to_free() -> None:
    assert text(one(used_bytes=0)).endswith("Nothing to free: no process holds memory here.\n")


def test_what_is_unknown_is_a_dash() -> None:
    nobody = GpuProcess(pid=5, state=ProcessState.HIDDEN)
    shown = text(one(nobody, total_bytes=None, utilisation=None))
    assert "the driver does not say what is in use" in shown
    assert "  0   5      –  –   – –    unknown –" in shown
    assert "GPU 3: GPU is lost" in text(GpuReport(gpus=(Gpu(index=3, problem="GPU is lost"),)))


def crowd(gpus: int, people: int) -> GpuReport:
    listed = tuple(
        Gpu(
            index=index,
            instance=index,
            name="NVIDIA GB300 Grace Blackwell Superchip " * 3,
            total_bytes=288 * GB,
            used_bytes=280 * GB - index,
            utilisation=100,
            processes=tuple(
                person(
                    4_000_000 + index * people + number,
                    name="python -m " + "a.very.long.module" * 9,
                    user="somebody-with-a-long-name",
                    used_bytes=number * GB,
                    cpu_share=31.99,
                    sm_utilisation=100,
                    activity=Activity.COMPUTING,
                    is_notebook=number % 2 == 0,
                    is_own=number % 3 > 0,
                )
                for number in range(people)
            ),
        )
        for index in range(gpus)
    )
    return GpuReport(gpus=listed)


@each(("gpus", "people"), [(1, 1), (1, 40), (2, 2), (8, 0), (8, 3), (16, 16)])
def test_it_fits_a_screen(gpus: int, people: int) -> None:
    lines = text(crowd(gpus, people)).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    if gpus > 4:
        assert any("more: see --format json" in line or "less in use" in line for line in lines)


def test_a_command_is_never_cut() -> None:
    report = one(person(4_194_303, activity=Activity.STOPPED))
    assert "kill 4194303; kill -CONT 4194303" in text(report)


def test_quiet_leaves_the_gpus_all_of_them() -> None:
    assert len(text(crowd(16, 3), verbosity=-1).splitlines()) == 16


def test_names_of_the_system_are_hostile() -> None:
    evil = "\x1b[2J[bold]\u202e"
    report = one(person(name=evil, user=evil, is_own=False), name=evil)
    for shown in (text(report), text(GpuReport(gpus=(Gpu(index=0, problem=evil),)))):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "\\x1b[2J[bold]\\u202e" in text(report)
    assert json.loads(gpu_json(report))["gpus"][0]["processes"][0]["name"] == evil


def test_json_has_everything() -> None:
    found = json.loads(gpu_json(one(person(), used_bytes=20 * GB)))
    assert found["schema_version"] == 1
    (gpu,) = found["gpus"]
    assert (gpu["index"], gpu["mig_instance"], gpu["unowned_bytes"]) == (0, None, 5 * GB)
    (process,) = gpu["processes"]
    assert process["activity"] == "idle"
    assert process["is_zombie"] is False
    first, second = found["advice"]
    assert (first["pid"], first["command"]) == (4711, "kill 4711")
    assert (second["pid"], second["command"], second["gpus"]) == (None, None, ["0"])
