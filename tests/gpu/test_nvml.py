"""What the driver may answer, and may refuse to, and what is made of it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ckptdoctor.gpu import Activity, GpuReport, ProcessState, proc, read_gpus
from ckptdoctor.gpu import nvml as asking
from ckptdoctor.gpu.nvml import activity_of
from ckptdoctor.gpu.proc import Seen
from tests.each import each
from tests.gpu import fake_nvml
from tests.gpu.fake_nvml import GIB, NVMLError, process, sample

Read = Callable[..., GpuReport]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """``read_gpus`` with a driver that answers so."""

    def ask(**answers: Any) -> GpuReport:
        monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.nvml(answers))
        return read_gpus(sample_s=0)

    return ask


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> dict[int, Seen]:
    """The processes that this system is made to show."""
    shown: dict[int, Seen] = {os.getpid(): seen()}
    monkeypatch.setattr(asking, "look_at", shown.get)
    monkeypatch.setattr(asking, "cuda_pids", lambda: [p for p, s in shown.items() if s.has_cuda])
    monkeypatch.setattr(asking, "ancestors", lambda _: frozenset({1, 70}))
    return shown


def seen(**more: Any) -> Seen:
    usual: dict[str, Any] = {
        "name": "python train.py",
        "uid": os.getuid(),
        "user": "ada",
        "parent": 70,
    }
    return Seen(**usual | {"state": ProcessState.SLEEPING, "cpu_s": 5.0, "opens_gpu": True} | more)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    report = read_gpus()
    assert "pip install nvidia-ml-py" in report.unavailable
    assert report.gpus == ()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (fake_nvml.LIBRARY_NOT_FOUND, "no NVIDIA driver"),
        (fake_nvml.DRIVER_NOT_LOADED, "not loaded"),
        (fake_nvml.MISMATCH, "reboot"),
        (fake_nvml.NO_PERMISSION, "may not ask"),
        (999, "does not answer: error 999"),
    ],
)
def test_without_a_driver_it_says_why(read: Read, number: int, said: str) -> None:
    assert said in read(nvmlInit=NVMLError(number)).unavailable


def test_a_driver_without_a_gpu(read: Read) -> None:
    assert "no GPU" in read(nvmlDeviceGetCount=0).unavailable
    assert "no GPU" in read(nvmlDeviceGetCount=NVMLError(3)).unavailable


def test_a_process_is_introduced(read: Read, system: dict[int, Seen]) -> None:
    system[70] = seen(name="python -m ipykernel_launcher", is_notebook=True)
    system[71] = seen(uid=os.getuid() + 1, user="bob")
    report = read(
        nvmlDeviceGetComputeRunningProcesses=[process(71, 2 * GIB), process(70, 15 * GIB)],
        nvmlDeviceGetGraphicsRunningProcesses=[process(71, 2 * GIB)],
        nvmlDeviceGetProcessUtilization=[sample(71, 30), sample(71, 55), sample(71, 4_000_000)],
        nvmlDeviceGetUtilizationRates=SimpleNamespace(gpu=55),
    )
    (gpu,) = report.gpus
    assert (gpu.label, gpu.name, gpu.utilisation) == ("0", "NVIDIA L4", 55)
    notebook, other = gpu.processes
    assert notebook.pid == 70
    assert notebook.is_ancestor
    assert notebook.is_own
    assert notebook.is_notebook
    assert (notebook.sm_utilisation, notebook.activity) == (0, Activity.IDLE)
    assert (other.used_bytes, other.user) == (2 * GIB, "bob")
    assert not other.is_own
    assert (other.sm_utilisation, other.activity) == (55, Activity.COMPUTING)
    assert gpu.unowned_bytes == 18 * GIB - 17 * GIB
    assert report.driver == "550.54"


def test_an_error_that_means_no_samples_means_that_nobody_computes(
    read: Read, system: dict[int, Seen]
) -> None:
    system[70] = seen()
    listed = {"nvmlDeviceGetComputeRunningProcesses": [process(70, GIB)]}
    nothing = NVMLError(fake_nvml.NOT_FOUND)
    (gpu,) = read(**listed, nvmlDeviceGetProcessUtilization=nothing).gpus
    assert gpu.processes[0].sm_utilisation == 0
    assert gpu.processes[0].activity is Activity.IDLE
    (gpu,) = read(**listed).gpus
    assert gpu.processes[0].sm_utilisation is None
    assert gpu.processes[0].activity is Activity.UNKNOWN


def test_every_question_but_the_first_may_be_refused(read: Read) -> None:
    no = NVMLError(fake_nvml.NOT_SUPPORTED)
    names = "nvmlDeviceGetName nvmlSystemGetDriverVersion nvmlDeviceGetMemoryInfo nvmlShutdown"
    (gpu,) = read(**dict.fromkeys(names.split(), no)).gpus
    assert (gpu.name, gpu.total_bytes, gpu.used_bytes, gpu.processes) == ("", None, None, ())
    assert gpu.unowned_bytes == 0


def test_a_lost_gpu_does_not_hide_the_others(read: Read) -> None:
    def handle(index: int) -> int:
        if index == 0:
            raise NVMLError(fake_nvml.IS_LOST)
        return index

    lost, sound = read(nvmlDeviceGetCount=2, nvmlDeviceGetHandleByIndex=handle).gpus
    assert lost.problem == f"error {fake_nvml.IS_LOST}"
    assert (sound.index, sound.problem) == (1, "")


def test_an_old_package_lacks_functions_and_gives_bytes(
    monkeypatch: pytest.MonkeyPatch, system: dict[int, Seen]
) -> None:
    system[70] = seen(name="")
    module = fake_nvml.nvml(
        {
            "nvmlDeviceGetName": b"Tesla K80",
            "nvmlDeviceGetComputeRunningProcesses": [process(70, None)],
            "nvmlSystemGetProcessName": b"/usr/bin/python3",
        }
    )
    for name in ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetMigMode", "nvmlMemory_v2"):
        delattr(module, name)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    (gpu,) = read_gpus(sample_s=0).gpus
    assert gpu.name == "Tesla K80"
    assert gpu.processes[0].name == "python3"
    assert gpu.processes[0].used_bytes is None


def test_mig_instances_stand_for_the_gpu(read: Read, system: dict[int, Seen]) -> None:
    system[70] = seen()

    def instance(_: int, number: int) -> str:
        if number > 1:
            raise NVMLError(fake_nvml.NOT_FOUND)
        return f"slice {number}"

    def memory(handle: Any, _: int) -> Any:
        return SimpleNamespace(total=10 * GIB, used=4 * GIB if handle == "slice 1" else 0)

    def listed(handle: Any) -> list[Any]:
        return [process(70, 4 * GIB)] if handle == "slice 1" else []

    first, second = read(
        nvmlDeviceGetMigMode=[1, 1],
        nvmlDeviceGetMaxMigDeviceCount=7,
        nvmlDeviceGetMigDeviceHandleByIndex=instance,
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetComputeRunningProcesses=listed,
    ).gpus
    assert (first.label, second.label) == ("0:0", "0:1")
    assert (first.processes, [p.pid for p in second.processes]) == ((), [70])


def test_mig_without_instances_is_one_gpu(read: Read) -> None:
    (gpu,) = read(nvmlDeviceGetMigMode=[1, 1]).gpus
    assert gpu.instance is None


def test_a_number_of_the_host_is_not_taken_for_a_process_here(
    read: Read, system: dict[int, Seen]
) -> None:
    system[70] = seen(name="sshd", opens_gpu=False)
    listed = [process(70, 9 * GIB), process(4711, 9 * GIB)]
    (gpu,) = read(nvmlDeviceGetComputeRunningProcesses=listed).gpus
    assert [p.state for p in gpu.processes] == [ProcessState.HIDDEN, ProcessState.HIDDEN]
    assert not any(p.is_own or p.name for p in gpu.processes)


def test_a_zombie_has_no_device_open_and_is_still_known(
    read: Read, system: dict[int, Seen]
) -> None:
    del system[os.getpid()]
    (gpu,) = read(nvmlDeviceGetComputeRunningProcesses=[process(79, GIB)]).gpus
    assert gpu.processes[0].state is ProcessState.UNKNOWN  # this system lists nobody
    system[80] = seen(state=ProcessState.ZOMBIE, opens_gpu=False)
    (gpu,) = read(nvmlDeviceGetComputeRunningProcesses=[process(80, GIB)]).gpus
    assert gpu.processes[0].is_zombie
    assert gpu.processes[0].activity is Activity.ZOMBIE


def test_where_the_driver_lists_nobody_open_devices_tell(
    read: Read, system: dict[int, Seen]
) -> None:
    system[90] = seen(has_cuda=True, gpus=frozenset({0}))
    system[91] = seen(has_cuda=True, gpus=frozenset({1}))
    (gpu,) = read().gpus
    assert [(p.pid, p.used_bytes, p.is_own) for p in gpu.processes] == [(90, None, True)]
    (gpu,) = read(nvmlDeviceGetMinorNumber=1).gpus
    assert [p.pid for p in gpu.processes] == [91]
    (gpu,) = read(nvmlDeviceGetMemoryInfo=SimpleNamespace(total=GIB, used=0)).gpus
    assert gpu.processes == ()


@each(
    ("state", "sm", "cpu", "gpu", "activity"),
    [
        (ProcessState.ZOMBIE, 90, 1.0, 90, Activity.ZOMBIE),
        (ProcessState.STOPPED, 0, 0.0, 0, Activity.STOPPED),
        (ProcessState.RUNNING, 90, 1.0, 90, Activity.COMPUTING),
        (ProcessState.HIDDEN, 90, None, 90, Activity.COMPUTING),
        (ProcessState.RUNNING, 0, 1.0, 0, Activity.BUSY),
        (ProcessState.SLEEPING, 0, 0.0, 80, Activity.IDLE),
        (ProcessState.SLEEPING, None, 0.0, 0, Activity.IDLE),
        (ProcessState.SLEEPING, None, 0.0, 80, Activity.UNKNOWN),  # it may wait for the GPU
        (ProcessState.HIDDEN, 0, None, 0, Activity.UNKNOWN),
    ],
)
def test_activity(
    state: ProcessState, sm: int | None, cpu: float | None, gpu: int | None, activity: Activity
) -> None:
    assert activity_of(state, sm, cpu, gpu) is activity


# -- this machine --------------------------------------------------------------------------------

linux = pytest.mark.skipif(not proc.PROC.joinpath("self").exists(), reason="needs /proc")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    code = "import sys, time; print(flush=True); time.sleep(60)"
    command = [sys.executable, "-X", "utf8", "-c", code, "secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


@linux
def test_a_real_process_is_seen(sleeper: subprocess.Popen[bytes]) -> None:
    found = proc.look_at(sleeper.pid)
    assert found is not None
    assert found.name.startswith("python")
    assert found.name.endswith(" -c")  # neither its code nor its arguments
    assert (found.uid, found.parent) == (os.getuid(), os.getpid())
    assert found.state in (ProcessState.RUNNING, ProcessState.SLEEPING)  # it is about to sleep
    assert found.opens_gpu is False
    assert found.cpu_s is not None
    assert found.user
    assert os.getppid() in proc.ancestors(os.getpid())


@linux
def test_a_real_zombie_is_seen(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # ended, and still listed
    found = proc.look_at(sleeper.pid)
    assert found is not None
    assert found.state is ProcessState.ZOMBIE


def test_a_number_that_nobody_has() -> None:
    assert proc.look_at(2**31 - 2) is None


@each(
    ("words", "name"),
    [
        ([], ""),
        (["/usr/bin/nvidia-smi", "-l"], "nvidia-smi"),
        (["/usr/bin/python3", "-u", "/home/ada/train.py", "--token", "x"], "python3 train.py"),
        (["python", "-m", "torch.distributed.run", "x"], "python -m torch.distributed.run"),
        (["python", "-W", "error", "a.py"], "python a.py"),
        (["python", "-c", "print(1)"], "python -c"),
        (["python"], "python"),
    ],
)
def test_names_hold_the_script_and_no_other_argument(words: list[str], name: str) -> None:
    assert proc._name(words) == name


def _driver_is_here() -> bool:
    try:
        module = importlib.import_module("pynvml")
    except ImportError:
        return False
    try:
        module.nvmlInit()
    except module.NVMLError:
        return False
    return True


@pytest.mark.skipif(not _driver_is_here(), reason="needs an NVIDIA driver")
def test_a_real_gpu_is_read() -> None:
    report = read_gpus()
    assert report.unavailable == ""
    assert report.driver
    for gpu in report.gpus:
        assert gpu.problem or (gpu.name and gpu.total_bytes)
