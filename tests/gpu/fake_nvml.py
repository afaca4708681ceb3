"""A stand-in for ``pynvml`` that answers what a test tells it to, and refuses the rest."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

GIB = 1 << 30


class NVMLError(Exception):
    """As in pynvml: an error with its number."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __str__(self) -> str:
        return f"error {self.value}"


NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 3, 4, 6
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, IS_LOST, MISMATCH = 9, 12, 15, 18


def process(pid: int, used: int | None) -> Any:
    """An entry of the list of running processes."""
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def sample(pid: int, sm: int) -> Any:
    """An entry of the list of utilisations."""
    return SimpleNamespace(pid=pid, smUtil=sm)


def nvml(answers: dict[str, Any]) -> Any:
    """The module: ``answers`` by the name of the question, each for all handles or a function.

    An answer that is an exception is raised; a question without an answer is not supported. Handles
    are the indices.
    """
    module = ModuleType("pynvml")
    names: dict[str, Any] = {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": "NVIDIA L4",
        "nvmlSystemGetDriverVersion": "550.54",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=24 * GIB, used=18 * GIB),
    }
    refused = (
        "nvmlDeviceGetMinorNumber nvmlDeviceGetMigMode nvmlDeviceGetMaxMigDeviceCount "
        "nvmlDeviceGetMigDeviceHandleByIndex nvmlDeviceGetUtilizationRates "
        "nvmlDeviceGetComputeRunningProcesses nvmlDeviceGetGraphicsRunningProcesses "
        "nvmlDeviceGetProcessUtilization nvmlSystemGetProcessName"
    )
    for name in refused.split():
        names[name] = NVMLError(NOT_SUPPORTED)
    for name, answer in (names | answers).items():
        setattr(module, name, _question(answer))
    vars(module).update(
        NVMLError=NVMLError,
        nvmlMemory_v2=2,
        NVML_ERROR_NOT_FOUND=NOT_FOUND,
        NVML_ERROR_LIBRARY_NOT_FOUND=LIBRARY_NOT_FOUND,
        NVML_ERROR_DRIVER_NOT_LOADED=DRIVER_NOT_LOADED,
        NVML_ERROR_LIB_RM_VERSION_MISMATCH=MISMATCH,
        NVML_ERROR_NO_PERMISSION=NO_PERMISSION,
    )
    return module


def _question(answer: Any) -> Callable[..., Any]:
    def ask(*arguments: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer(*arguments) if callable(answer) else answer

    return ask
