"""Checkpoint to :class:`~ckptdoctor.checkpoint.TensorStats`: the only room that calls torch."""

from ckptdoctor.scan.kernels import BackendUnavailableError
from ckptdoctor.scan.scanner import Scanner, ScanResult, available_cores

__all__ = ["BackendUnavailableError", "ScanResult", "Scanner", "available_cores"]
