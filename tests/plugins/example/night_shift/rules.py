"""What the team looks for, beside what everybody does."""

from collections.abc import Iterator

from ckptdoctor import Finding, Severity
from ckptdoctor.rules import Case, Rule

LARGEST = 0.1


class LargeRate(Rule):
    """Learning rate above the team's limit.

    The script warms up to 0.1 and never beyond: a stored `lr` above that was set by hand. Sure
    where the key is called `lr`.

    What to do: start again with `ckptdoctor restore --set-lr 0.1`.
    """

    code = "NIGHT001"
    severity = Severity.WARNING
    label = "large rate"

    def check(self, case: Case) -> Iterator[Finding]:
        rate = case.checkpoint.scalars.get("lr")
        if isinstance(rate, float) and rate > LARGEST:
            yield self.finding("lr", f"the rate is {rate:g}, above {LARGEST:g}", rate=rate)
