"""Two processes, a fault in one of them: both drop the step, or both take it, and never hang."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.guard.ranks import BAD_STEP, STEPS, WORLD

pytestmark = pytest.mark.slow  # two processes that import torch
Seen = dict[str, list[dict[str, Any]]]
ROOT = Path(__file__).parents[3]
DROPPED = [
    f"{wrapper}-{fault}-{mode}-skip"
    for wrapper in ("ddp", "fsdp", "fsdpfused")
    for fault in ("loss", "backward", "grads")
    for mode in ("block", "async")
]
HEALTHY = ["ddp-none-block-skip", "ddp-none-async-skip", "fsdp-none-block-skip"]
GONE_BACK = ["ddp-grads-block-rollback", "fsdp-loss-async-rollback"]
RAISED = ["ddp-loss-block-raise", "fsdp-grads-async-raise", "ddp-loss-block-callback"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Every case, as each of the two ranks saw it."""
    folder = tmp_path_factory.mktemp("ranks")
    cases = ",".join([*HEALTHY, *DROPPED, *GONE_BACK, *RAISED])
    children = []
    for rank in range(WORLD):
        command = [sys.executable, "-m", "tests.guard.ranks", str(rank), f"{folder}/store", cases]
        with (folder / f"{rank}.out").open("w") as out:  # a pipe that fills up would stop both
            children.append(subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT))
    try:
        codes = [child.wait(timeout=120) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    told = [(folder / f"{rank}.out").read_text() for rank in range(WORLD)]
    assert codes == [0] * WORLD, told
    found: Seen = {}
    for line in "".join(told).splitlines():
        if line.startswith("{"):
            case = json.loads(line)
            found.setdefault(case["case"], []).append(case)
    return found


def agreed(seen: Seen, case: str) -> dict[str, Any]:
    """The case, once it is sure that all ranks did the same."""
    first, second = seen[case]
    for key in ("weights", "steps", "skipped", "rollbacks", "lr"):
        assert first[key] == second[key], key
    assert first["norms"] == pytest.approx(second["norms"], nan_ok=True)
    assert all(map(math.isfinite, first["weights"]))
    assert first["finite_buffers"]
    assert second["finite_buffers"]
    return first


@pytest.mark.parametrize("case", DROPPED)
def test_all_ranks_drop_the_step(seen: Seen, case: str) -> None:
    told = agreed(seen, case)
    assert (told["skipped"], told["steps"], told["raised"]) == (1, STEPS, "")
    named = seen[case][1]["bad"]
    assert any(named) == ("-loss-" not in case)


@pytest.mark.parametrize("case", HEALTHY)
def test_all_ranks_take_a_healthy_step(seen: Seen, case: str) -> None:
    assert agreed(seen, case)["skipped"] == 0


def test_the_norm_does_not_depend_on_who_holds_what(seen: Seen) -> None:
    copies, shards = (agreed(seen, case)["norms"] for case in (HEALTHY[0], HEALTHY[2]))
    # Adam and AdamW: the weights part slowly.
    assert shards == pytest.approx(copies, rel=1e-2)
    assert shards[0] == pytest.approx(copies[0], rel=1e-6)


def test_the_step_is_dropped_whatever_the_fault(seen: Seen) -> None:
    for wrapper in ("ddp", "fsdp", "fsdpfused"):
        for mode in ("block", "async"):
            loss, grads = (
                agreed(seen, f"{wrapper}-{fault}-{mode}-skip")["weights"]
                for fault in ("loss", "grads")
            )
            # Only what an unfused Adam's momentum does to zeros in "async" differs: nothing here.
            assert loss == grads


@pytest.mark.parametrize("case", GONE_BACK)
def test_all_ranks_go_back(seen: Seen, case: str) -> None:
    told = agreed(seen, case)
    assert told["rollbacks"] == 1
    assert told["lr"] == pytest.approx(0.005)


@pytest.mark.parametrize("case", RAISED)
def test_all_ranks_raise(seen: Seen, case: str) -> None:
    told = agreed(seen, case)
    assert told["steps"] in (BAD_STEP + 1, BAD_STEP + 2)
    for one in seen[case]:
        assert "step 4: non-finite" in one["raised"]
    if "-loss-" in case:
        assert "another rank" in seen[case][0]["raised"]
