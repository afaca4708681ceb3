"""Giving GPU memory back from inside the process that holds it."""

from __future__ import annotations

from ckptdoctor.memory.free import DeviceMemory, FreedMemory, free_gpu_memory
from ckptdoctor.memory.held import HeldName

__all__ = ["DeviceMemory", "FreedMemory", "HeldName", "free_gpu_memory"]
