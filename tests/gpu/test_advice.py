"""What to do about whom: the surest first, and never a command that hurts somebody else."""

from __future__ import annotations

from typing import Any

from ckptdoctor.gpu import Activity, Advice, Gpu, GpuProcess, GpuReport, ProcessState, advise
from tests.each import each

GB = 10**9


def person(pid: int = 7, **more: Any) -> GpuProcess:
    usual: dict[str, Any] = {
        "state": ProcessState.SLEEPING,
        "user": "ada",
        "is_own": True,
        "parent": 3,
    }
    return GpuProcess(pid=pid, **usual | {"used_bytes": GB, "activity": Activity.IDLE} | more)


def advice(*people: GpuProcess, used: int | None = None) -> tuple[Advice, ...]:
    return advise(GpuReport(gpus=(Gpu(index=0, processes=people, used_bytes=used),)))


@each(
    ("process", "command", "said"),
    [
        (person(), "kill 7", "computes nothing"),
        (person(activity=Activity.COMPUTING), "kill 7", "if it is the run that hangs"),
        (person(activity=Activity.BUSY), "kill 7", "if it is the run that hangs"),
        (person(activity=Activity.UNKNOWN), "kill 7", "died or hangs"),
        (person(activity=Activity.STOPPED), "kill 7; kill -CONT 7", "was stopped"),
        (
            person(state=ProcessState.BLOCKED, activity=Activity.BUSY),
            "kill 7",
            "no signal reaches it",
        ),
        (person(is_notebook=True), "ckptdoctor.free_gpu_memory()", "a notebook of yours"),
        (
            person(is_notebook=True, is_ancestor=True),
            "ckptdoctor.free_gpu_memory()",
            "this notebook",
        ),
        (person(state=ProcessState.ZOMBIE), "kill 3", "end the parent"),
        (person(state=ProcessState.ZOMBIE, parent=1), "", "restart the container"),
        (person(state=ProcessState.ZOMBIE, is_own=False), "", "belongs to ada"),
        (person(is_own=False), "", "ask before"),
        (person(is_own=False, state=ProcessState.HIDDEN), "", "cannot be seen"),
        (person(is_own=False, state=ProcessState.UNKNOWN), "", "if you know it"),
    ],
)
def test_each_process_gets_its_own(process: GpuProcess, command: str, said: str) -> None:
    (found,) = advice(process)
    assert (found.pid, found.command) == (7, command)
    assert said in found.text


def test_this_command_is_not_told_to_end_itself() -> None:
    assert advice(person(is_self=True)) == ()


def test_the_surest_comes_first() -> None:
    people = (
        person(1, is_own=False, used_bytes=90 * GB),
        person(2, activity=Activity.COMPUTING, used_bytes=80 * GB),
        person(3, used_bytes=GB),
        person(4, used_bytes=2 * GB),
        person(5, is_ancestor=True, is_notebook=True, activity=Activity.COMPUTING),
    )
    assert [one.pid for one in advice(*people)] == [5, 4, 3, 2, 1]


def test_a_process_on_two_gpus_is_judged_by_the_busier() -> None:
    gpus = (
        Gpu(index=0, processes=(person(),)),
        Gpu(index=1, processes=(person(activity=Activity.COMPUTING),)),
    )
    (found,) = advise(GpuReport(gpus=gpus))
    assert found.gpus == ("0", "1")
    assert "at work" in found.text


def test_memory_that_nobody_here_owns_is_explained() -> None:
    (found,) = advice(used=8 * GB)
    assert found.pid is None
    assert "no process seen here" in found.text
    *_, left = advice(person(used_bytes=GB), used=8 * GB)
    assert "more is in use" in left.text
    *_, left = advice(person(used_bytes=None), used=8 * GB)
    assert "does not say" in left.text
    assert len(advice(person(used_bytes=GB), used=GB + 10**8)) == 1  # the driver's own share
