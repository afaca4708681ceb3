"""From a report to what to do next: which checkpoint to go on from."""

from ckptdoctor.recovery.ranking import rank, with_last_good

__all__ = ["rank", "with_last_good"]
