"""GPU memory for programs: JSON."""

from __future__ import annotations

from typing import Any

from ckptdoctor.gpu import Advice, Gpu, GpuProcess, GpuReport, advise
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, dump

__all__ = ["gpu_json"]


def gpu_json(report: GpuReport) -> str:
    """The result of ``gpu`` as JSON; sizes in bytes, utilisation in percent, unknown is null."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "driver": report.driver or None,
            "unavailable": report.unavailable or None,
            "gpus": [_gpu(gpu) for gpu in report.gpus],
            "advice": [_advice(advice) for advice in advise(report)],
        }
    )


def _gpu(gpu: Gpu) -> dict[str, Any]:
    return {
        "index": gpu.index,
        "mig_instance": gpu.instance,
        "name": gpu.name,
        "total_bytes": gpu.total_bytes,
        "used_bytes": gpu.used_bytes,
        "unowned_bytes": gpu.unowned_bytes,
        "utilisation": gpu.utilisation,
        "problem": gpu.problem or None,
        "processes": [_process(process) for process in gpu.processes],
    }


def _process(process: GpuProcess) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "parent": process.parent,
        "name": process.name,
        "user": process.user,
        "used_bytes": process.used_bytes,
        "sm_utilisation": process.sm_utilisation,
        "cpu_share": None if process.cpu_share is None else round(process.cpu_share, 3),
        "state": process.state.value,
        "activity": process.activity.value,
        "is_self": process.is_self,
        "is_ancestor": process.is_ancestor,
        "is_own": process.is_own,
        "is_notebook": process.is_notebook,
        "is_zombie": process.is_zombie,
    }


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "gpus": list(advice.gpus),
        "pid": advice.pid,
        "text": advice.text,
        "command": advice.command or None,
    }
