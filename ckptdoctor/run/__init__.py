"""Checkpoints in time: which files belong to a run, and in which order."""

from ckptdoctor.run.discover import Discovery, discover
from ckptdoctor.run.order import in_order

__all__ = ["Discovery", "discover", "in_order"]
