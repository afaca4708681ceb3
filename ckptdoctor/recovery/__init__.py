"""From a report to what to do next: which checkpoint to go on from."""

from ckptdoctor.recovery.ranking import rank, ranked

__all__ = ["rank", "ranked"]
