"""How often to save, so that saving and what a failure costs together take the least time.

The best interval is the square root of twice the time between failures times the time of a save:
J. W. Young, "A first order approximation to the optimum checkpoint interval" (1974), and J. T. Daly
(2006), who refines it for failures that come more often than a run can be saved.
"""

from __future__ import annotations

import itertools
import math
import statistics

from ckptdoctor.histories import Clock
from ckptdoctor.recovery.causes.trouble import Trouble
from ckptdoctor.recovery.timeline import duration
from ckptdoctor.report import RunReport

__all__ = ["best_interval_s", "save_advice"]

_DISK = 200e6
"""Bytes a second that a network volume takes; a local disk takes more."""
_LEAST_SAVE_S = 1.0
_WORTH = 2.0


def best_interval_s(between_failures_s: float, save_s: float) -> float:
    """Seconds from one save to the next.

    Args:
        between_failures_s: mean time between failures, in seconds.
        save_s: what one save takes, in seconds.
    """
    return math.sqrt(2.0 * between_failures_s * save_s)


def save_advice(report: RunReport, trouble: Trouble | None) -> str:
    """A sentence where the run saved much less often than is best; "" else, or if nobody knows.

    Args:
        report: of a run.
        trouble: where it went wrong; None where it did not.
    """
    history = report.run.history
    epoch_s = history.epoch_s
    if trouble is None or trouble.at is None or epoch_s is None or history.clock is not Clock.EPOCH:
        return ""
    saved = sorted({epoch for row in report.checkpoints if (epoch := row.metadata.epoch)})
    gaps = [after - before for before, after in itertools.pairwise(saved)]
    if not gaps or trouble.at <= 0:
        return ""
    now_s = statistics.median(gaps) * epoch_s
    lasted_s = trouble.at * epoch_s / (1 + history.restarts)
    save_s = max(_LEAST_SAVE_S, max(row.nbytes for row in report.checkpoints) / _DISK)
    best_s = best_interval_s(lasted_s, save_s)
    if now_s < _WORTH * best_s:
        return ""
    best, now, lasted = duration(best_s), duration(now_s), duration(lasted_s)
    return (
        f"save every {best}, not every {now}: the least is lost at the square root of 2 × {lasted} "
        f"between failures × {save_s:.2g} s a save (at 200 MB/s)"
    )
