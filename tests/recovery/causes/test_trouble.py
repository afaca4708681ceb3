"""What is known to be wrong where neither metric nor loss tells."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.recovery.causes.cause import CauseKind
from tests.recovery.causes.dead_runs import dead_run, planned

LEARNS = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.63, 0.64, 0.645, 0.65]


def test_a_resume_that_changed_the_optimizer_is_told_though_nothing_fell_yet(
    tmp_path: Path,
) -> None:
    rates = [*[0.02] * 10, 0.5]
    run = dead_run(tmp_path / "run", [*LEARNS, 0.648], rates=rates)
    plan = planned(run)
    assert plan.advice.causes
    assert plan.advice.causes[0].is_rate
    assert plan.options[0].epoch == 10
    said = "; ".join(plan.advice.causes[0].evidence)
    assert "from 0.02 to 0.5" in said


def test_where_only_files_are_damaged_the_rate_stays(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", LEARNS, rates=[0.1])
    newest = run / "checkpoint_epoch_10.pth"
    newest.write_bytes(newest.read_bytes()[:-700])
    plan = planned(run)
    assert plan.advice.causes[0].kind is CauseKind.BROKEN_SAVING
    assert "checkpoint_epoch_10.pth" in plan.advice.causes[0].evidence[0]
    assert plan.advice.factor == 1.0
    assert "--scale-lr" not in plan.options[0].command


def test_numbers_that_a_flipped_bit_made_are_no_trouble_of_the_training(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", LEARNS, rates=[0.1])
    newest = run / "checkpoint_epoch_10.pth"
    raw = bytearray(newest.read_bytes())
    at = raw.find(b"data/0") + 64
    at += -at % 64
    raw[at : at + 64] = b"\xff" * 64
    newest.write_bytes(raw)
    plan = planned(run)
    assert plan.advice.causes[0].kind is CauseKind.BROKEN_SAVING
    assert plan.advice.factor == 1.0


def test_weights_of_another_net_are_told_from_weights_that_diverge(tmp_path: Path) -> None:
    def replace_them(epoch: int, state: dict[str, object]) -> None:
        weights = state["model"]["w"]  # type: ignore[index]
        if epoch > 8:
            state["model"] = {"w": weights.flip(0) * (-0.5 if epoch > 8 else 1.0)}

    def blow_up(epoch: int, state: dict[str, object]) -> None:
        weights = state["model"]["w"]  # type: ignore[index]
        if epoch > 8:
            state["model"] = {"w": weights * 50.0}

    scores = [*LEARNS[:8], 0.02, 0.02, 0.02]
    kinds = {}
    for name, poison in (("replaced", replace_them), ("diverged", blow_up)):
        run = dead_run(tmp_path / name, scores, rates=[0.1], poison=poison)
        kinds[name] = {cause.kind for cause in planned(run).advice.causes}
    assert CauseKind.WEIGHTS_REPLACED in kinds["replaced"]
    assert CauseKind.WEIGHTS_REPLACED not in kinds["diverged"]
