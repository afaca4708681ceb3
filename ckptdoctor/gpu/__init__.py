"""Who holds the memory of the GPUs, and what to free."""

from __future__ import annotations

from ckptdoctor.gpu.advice import Advice, advise
from ckptdoctor.gpu.nvml import read_gpus
from ckptdoctor.gpu.report import Activity, Gpu, GpuProcess, GpuReport, ProcessState

__all__ = [
    "Activity",
    "Advice",
    "Gpu",
    "GpuProcess",
    "GpuReport",
    "ProcessState",
    "advise",
    "read_gpus",
]
