"""Judgement that needs more than one tensor: the neighbours, the EMA, the optimizer."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import Rule
from ckptdoctor.rules.run import NoRecentBackup
from ckptdoctor.runs.run import Run
from tests.builders import save, small_model, trained
from tests.each import each

NAN, INF = math.nan, math.inf
State = dict[str, Any]


def run(folder: Path, *states: State, first: int = 1, step: int = 1) -> Report:
    """The report on a checkpoint for each epoch; no rule may have crashed."""
    for at, state in enumerate(states):
        epoch = first + at * step
        save(folder / f"epoch_{epoch}.pth", {"epoch": epoch} | state)
    files = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
    report = examine(files)
    assert not report.crashes
    return report


def one(folder: Path, state: State) -> CheckpointReport:
    """The report on a single checkpoint; no rule may have crashed."""
    report = examine([save(folder / "model.pth", state)])
    assert not report.crashes
    return report.checkpoints[0]


def codes(report: CheckpointReport, least: Severity = Severity.WARNING) -> set[str]:
    return {finding.code for finding in report.findings if finding.severity >= least}


def get(findings: Iterable[Finding], code: str) -> Finding:
    return next(finding for finding in findings if finding.code == code)


def weights(seed: int = 0, *, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(32, 32, generator=torch.Generator().manual_seed(seed)) * scale


def drifting(*steps: float, **others: Any) -> list[State]:
    """A model that moves by these parts of its norm from one epoch to the next."""
    weight, states = weights(), []
    for at, step in enumerate((0.0, *steps)):
        way = weights(at + 1)
        weight = weight + way * (step * weight.norm() / way.norm())
        states.append({"model": {"w": weight}} | others)
    return states


# -- Inf that is meant ---------------------------------------------------------------------------


def bounded(name: str, *values: float) -> State:
    return {"model": {"w": weights(), name: torch.tensor(values)}}


def test_the_same_inf_in_the_whole_run_is_meant(tmp_path: Path) -> None:
    report = run(tmp_path, *[bounded("limits.table", 0.0, INF)] * 3)
    assert [c.verdict for c in report.checkpoints] == [Verdict.HEALTHY] * 3
    found = get(report.checkpoints[0].findings, "CD203")
    assert "in the whole run" in found.message


@pytest.mark.parametrize(
    ("name", "last"),
    [("limits.weight", (0.0, INF)), ("limits.table", (INF, INF)), ("limits.table", (0.0, NAN))],
)
def test_inf_that_is_learned_or_comes_later_is_not(
    name: str, last: tuple[float, ...], tmp_path: Path
) -> None:
    report = run(tmp_path, bounded(name, 0.0, INF), bounded(name, *last))
    assert report.checkpoints[-1].verdict is Verdict.CORRUPT


def test_a_single_file_proves_no_design(tmp_path: Path) -> None:
    assert codes(one(tmp_path, bounded("limits.table", 0.0, INF))) == {"CD202"}


# -- optimizer, EMA, scaler ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buffer", "bad"), [("exp_avg_sq", INF), ("exp_avg", NAN), ("exp_avg_sq", -1e-12)]
)
def test_clean_weights_with_a_bad_optimizer_are_salvageable(
    buffer: str, bad: float, tmp_path: Path
) -> None:
    model, adam = trained(torch.optim.AdamW)
    state = adam.state_dict()
    state["state"][0][buffer].view(-1)[0] = bad
    found = one(tmp_path, {"model": model.state_dict(), "optimizer": state})
    assert found.verdict is Verdict.SALVAGEABLE
    assert codes(found) == {"CD302" if bad == -1e-12 else "CD301"}


@pytest.mark.parametrize("key", ["lr", "initial_lr"])
def test_a_rate_that_is_no_number_is_told(key: str, tmp_path: Path) -> None:
    model, sgd = trained(lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    state = sgd.state_dict()
    state["param_groups"][0][key] = NAN
    found = one(tmp_path, {"model": model.state_dict(), "optimizer": state})
    assert found.verdict is Verdict.SALVAGEABLE
    assert get(found.findings, "CD301").message == f"the stored {key} is nan"


def test_a_clean_ema_beside_bad_weights_is_named(tmp_path: Path) -> None:
    state = {"model": {"w": torch.full((3,), NAN)}, "ema": {"w": torch.ones(3)}}
    found = one(tmp_path, state)
    assert found.verdict is Verdict.CORRUPT
    remedy = get(found.findings, "CD201").remedy
    assert "The EMA in this file is finite" in remedy
    assert remedy.endswith(f": ckptdoctor restore --from {found.path} --use-ema")
    state["ema"]["w"] = torch.full((3,), INF)
    found = one(tmp_path, state)
    assert codes(found) == {"CD201", "CD305"}
    assert "EMA" not in get(found.findings, "CD201").remedy


def test_a_bad_ema_beside_clean_weights_is_salvageable(tmp_path: Path) -> None:
    found = one(tmp_path, {"model": {"w": torch.ones(3)}, "ema": {"w": torch.full((3,), NAN)}})
    assert found.verdict is Verdict.SALVAGEABLE


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_an_ema_of_another_model_is_far_away(prefix: str, tmp_path: Path) -> None:
    def state(ema: torch.Tensor) -> State:
        return {
            "model_state_dict": {"net.w": weights(), "net.b": torch.ones(4)},
            "ema_state_dict": {f"{prefix}net.w": ema, f"{prefix}net.b": torch.ones(4)},
        }

    lagging = weights() + weights(1, scale=0.5)
    assert codes(one(tmp_path, state(lagging))) == set()
    found = one(tmp_path, state(weights(1, scale=1.2)))
    assert found.verdict is Verdict.SUSPECT
    assert get(found.findings, "CD305").severity is Severity.WARNING


def test_an_ema_without_its_model_or_with_other_names_is_not_compared(tmp_path: Path) -> None:
    assert codes(one(tmp_path, {"ema": {"w": weights()}})) == set()
    other = {"model": {"a.w": weights()}, "ema": {"shadow_0": weights(1)}}
    assert codes(one(tmp_path, other)) == set()


EVERY_OPTIMIZER = [
    kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type)
    and issubclass(kind, torch.optim.Optimizer)
    and kind not in (torch.optim.Optimizer, torch.optim.SparseAdam, torch.optim.LBFGS)
]


def matrices(parameters: Iterable[torch.nn.Parameter]) -> list[torch.nn.Parameter]:
    """Those that Muon takes."""
    return [parameter for parameter in parameters if parameter.ndim == 2]


@each(
    ("kind", "options"),
    [
        pytest.param(kind, options, id=" ".join((kind.__name__, *options)))
        for kind in EVERY_OPTIMIZER
        for options in ({}, {"amsgrad": True}, {"momentum": 0.9})
        if set(options) <= set(inspect.signature(kind).parameters)
    ],
)
def test_the_optimizer_of_the_model_matches(
    kind: Callable[..., Any], options: dict[str, Any], tmp_path: Path
) -> None:
    muon = kind.__name__ == "Muon"
    model, optimizer = trained(lambda p: kind(matrices(p) if muon else p, **options))
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    assert codes(one(tmp_path, state)) == set()


def adam_state() -> tuple[State, State]:
    model, adam = trained(torch.optim.AdamW)
    return model.state_dict(), adam.state_dict()


def test_a_state_that_no_group_lists_is_a_mismatch(tmp_path: Path) -> None:
    model, adam = adam_state()
    adam["param_groups"][0]["params"] = adam["param_groups"][0]["params"][:-2]
    found = get(one(tmp_path, {"model": model, "optimizer": adam}).findings, "CD303")
    assert "2 stand in no group" in found.message


def test_a_parameter_in_two_groups_is_a_mismatch(tmp_path: Path) -> None:
    model, adam = adam_state()
    adam["param_groups"][0]["params"].append(0)
    found = get(one(tmp_path, {"model": model, "optimizer": adam}).findings, "CD303")
    assert "stand in two groups" in found.message


def test_moments_of_another_model_are_a_mismatch(tmp_path: Path) -> None:
    model, adam = adam_state()
    model["0.weight"] = torch.ones(2, 1, 5, 5)
    found = one(tmp_path, {"model": model, "optimizer": adam})
    assert found.verdict is Verdict.SUSPECT
    assert (
        "1 moments have the shape 2×1×3×3, and no weights" in get(found.findings, "CD303").message
    )


def test_flattened_moments_are_left_aside(tmp_path: Path) -> None:
    flat = {"state": {0: {"exp_avg": torch.zeros(500)}}, "param_groups": [{"params": [0]}]}
    assert codes(one(tmp_path, {"model": {"w": weights()}, "optimizer": flat})) == set()


@each(
    ("scale", "tracker", "severity"),
    [
        (65536.0, 0, None),
        (1024.0, 0, None),
        (16.0, 1999, None),
        (16.0, 3, Severity.WARNING),
        (0.5, 3, Severity.ERROR),
        (0.0, 0, Severity.ERROR),
        (NAN, 0, Severity.ERROR),
    ],
)
def test_the_loss_scale(
    scale: float, tracker: int, severity: Severity | None, tmp_path: Path
) -> None:
    scaler = torch.amp.GradScaler("cpu").state_dict()
    scaler |= {"scale": scale, "_growth_tracker": tracker, "growth_factor": 2.0}
    found = one(tmp_path, {"model": {"w": weights()}, "scaler": scaler})
    severities = [finding.severity for finding in found.findings if finding.code == "CD304"]
    assert severities == ([] if severity is None else [severity])
    if severity is Severity.WARNING:
        assert "halved 12 times" in get(found.findings, "CD304").message


# -- what was put in place of NaN ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.tensor([[1.0, 65504.0, -65504.0]]).half(), "2 of 3 elements are exactly ±65504"),
        (torch.nan_to_num(torch.tensor([INF, 1.0]).half()).float(), "the largest float16"),
        (torch.nan_to_num(torch.tensor([INF, 1.0]).bfloat16()), "the largest bfloat16"),
        (torch.nan_to_num(torch.tensor([-INF, 1.0])), "the largest float32"),
        (torch.nan_to_num(torch.tensor([-INF, 1.0]).double()), "the largest float64"),
    ],
)
def test_what_nan_to_num_leaves_is_recognised(
    tensor: torch.Tensor, words: str, tmp_path: Path
) -> None:
    found = one(tmp_path, {"model": {"w": tensor}})
    assert found.verdict is Verdict.SUSPECT
    assert codes(found) == {"CD206"}
    assert words in get(found.findings, "CD206").message


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("w", torch.tensor([448.0, 1.0]).to(torch.float8_e4m3fn)),
        ("w", torch.tensor([65472.0, 1.0]).half() / 4),
        ("attn_mask", torch.full((3, 3), torch.finfo(torch.float32).min)),
        ("num_batches_tracked", torch.tensor(2**63 - 1)),
        ("table", torch.tensor([255, 0], dtype=torch.uint8)),
    ],
)
def test_what_is_large_by_design_is_not(name: str, tensor: torch.Tensor, tmp_path: Path) -> None:
    assert codes(one(tmp_path, {"model": {name: tensor}})) == set()


def test_a_tensor_that_turned_to_zeros_is_recognised_in_its_run(tmp_path: Path) -> None:
    zeroed: State = {"model": {"w": torch.zeros(32, 32), "b": torch.ones(3)}}
    report = run(
        tmp_path,
        *[s | {"model": s["model"] | {"b": torch.ones(3)}} for s in drifting(0.01)],
        zeroed,
    )
    found = get(report.checkpoints[-1].findings, "CD206")
    assert found.message == "all 1024 elements are zero; they were not in the checkpoint before"
    assert report.checkpoints[-1].verdict is Verdict.SUSPECT


def test_a_tensor_that_became_constant_is_a_warning_and_one_that_was_is_not(
    tmp_path: Path,
) -> None:
    flat = {"model": {"w": torch.full((32, 32), 0.5), "lora_B": torch.zeros(4, 4)}}
    before = {"model": {"w": weights(), "lora_B": torch.zeros(4, 4)}}
    report = run(tmp_path, before, flat)
    first, last = report.checkpoints
    assert codes(first) == set()
    assert get(first.findings, "CD205").message.startswith("1 of 2 weight matrices")
    assert "all 1024 elements are 0.5 now" in get(last.findings, "CD205").message


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ((1.0, NAN), Severity.ERROR),
        ((1.0, -1e-3), Severity.ERROR),
        ((1.0, 1e12), Severity.WARNING),
        ((0.0, 1e6), None),
    ],
)
def test_running_var(values: tuple[float, ...], severity: Severity | None, tmp_path: Path) -> None:
    found = one(tmp_path, {"model": {"w": weights(), "bn.running_var": torch.tensor(values)}})
    severities = [f.severity for f in found.findings if f.code == "CD207"]
    assert severities == ([] if severity is None else [severity])


@each(
    ("tensor", "told"),
    [
        (torch.tensor([4e4]).half(), True),
        (torch.tensor([1e20]), True),
        (torch.tensor([1e20]).bfloat16(), True),
        (torch.tensor([1e20]).double(), False),
        (torch.tensor([2e4]).half(), False),
        (torch.tensor([1e9]), False),
    ],
)
def test_near_the_limit(tensor: torch.Tensor, told: bool, tmp_path: Path) -> None:
    assert codes(one(tmp_path, {"model": {"w": tensor}})) == ({"CD204"} if told else set())


# -- the run -------------------------------------------------------------------------------------


def test_a_finite_collapse_shows_by_its_jump_and_stays_marked(tmp_path: Path) -> None:
    states = drifting(0.05, 0.04, 0.03, 4.0, 0.03, 0.03)
    report = run(tmp_path, *states)
    marked = [codes(checkpoint) == {"CD410"} for checkpoint in report.checkpoints]
    assert marked == [False] * 4 + [True] * 3
    first, after = (get(report.checkpoints[at].findings, "CD410") for at in (4, 5))
    assert "the weights moved by 4" in first.message
    assert "epoch_4.pth" in first.message
    assert "are still away" in after.message
    assert report.checkpoints[4].verdict is Verdict.SUSPECT


def test_a_run_that_goes_back_is_well_again(tmp_path: Path) -> None:
    states = drifting(0.05, 0.04, 0.03, 4.0)
    report = run(tmp_path, *states, states[3])
    assert codes(report.checkpoints[4]) == {"CD410"}
    assert codes(report.checkpoints[5]) == set()


def test_a_jump_to_a_better_score_is_none(tmp_path: Path) -> None:
    states = drifting(0.05, 0.04, 0.03, 4.0)
    for at, state in enumerate(states):
        state["iou"] = 0.5 + at / 100
    assert all(codes(checkpoint) == set() for checkpoint in run(tmp_path, *states).checkpoints)


@pytest.mark.parametrize(
    "steps",
    [
        (1.2, 0.7, 0.4, 0.3, 0.2),  # from random weights
        (0.001, 0.3, 0.6, 0.4),  # warm-up
        (0.01, 0.01, 0.01, 0.3, 0.05),  # a cosine restart
        (0.0, 0.0, 0.0, 0.8),  # copies, then training
    ],
)
def test_what_training_does_is_no_jump(steps: tuple[float, ...], tmp_path: Path) -> None:
    report = run(tmp_path, *drifting(*steps))
    assert all("CD410" not in codes(checkpoint) for checkpoint in report.checkpoints)


def test_a_longer_gap_allows_a_longer_way(tmp_path: Path) -> None:
    for epoch, state in zip((1, 2, 3, 60), drifting(0.05, 0.05, 1.5), strict=True):
        save(tmp_path / f"epoch_{epoch}.pth", {"epoch": epoch} | state)
    report = examine(sorted(tmp_path.iterdir()))
    assert all(codes(checkpoint) == set() for checkpoint in report.checkpoints)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_jump_shows_in_every_float(dtype: torch.dtype, tmp_path: Path) -> None:
    states = drifting(0.05, 0.04, 0.03, 4.0)
    for state in states:
        state["model"] = {"w": state["model"]["w"].to(dtype)}
    assert codes(run(tmp_path, *states).checkpoints[-1]) == {"CD410"}


def test_models_of_other_shapes_and_folders_are_no_neighbours(tmp_path: Path) -> None:
    good, other = tmp_path / "a", tmp_path / "b"
    good.mkdir()
    other.mkdir()
    run(good, *drifting(0.05, 0.04, 0.03))
    run(other, {"model": {"w": weights(9, scale=50.0)}}, first=9)
    save(good / "epoch_8.pth", {"epoch": 8, "model": {"w": torch.ones(2, 2) * 50}})
    report = examine([*sorted(good.iterdir()), *other.iterdir()])
    assert all(codes(checkpoint) == set() for checkpoint in report.checkpoints)


def test_a_folder_a_checkpoint_is_one_run(tmp_path: Path) -> None:
    paths = []
    for at, state in enumerate(drifting(0.05, 0.04, 0.03, 4.0)):
        folder = tmp_path / f"checkpoint-{at * 500}"
        folder.mkdir()
        save_file(state["model"], folder / "model.safetensors")
        paths.append(folder / "model.safetensors")
    found = examine(paths).checkpoints
    assert [codes(checkpoint) for checkpoint in found] == [set()] * 4 + [{"CD410"}]
    assert "from checkpoint-1500/model.safetensors" in get(found[-1].findings, "CD410").message


def test_a_copy_is_a_note_and_its_epoch_decides_about_the_run(tmp_path: Path) -> None:
    states = drifting(0.05, 0.04)
    run(tmp_path, *states)
    save(tmp_path / "best.pth", {"epoch": 3} | states[2])
    report = examine(sorted(tmp_path.iterdir()))
    (copy,) = [c for c in report.checkpoints if "CD407" in codes(c, Severity.INFO)]
    assert copy.path.name == "epoch_3.pth"
    assert get(copy.findings, "CD407").message == "the same weights as best.pth"
    assert get(copy.findings, "CD407").evidence["method"] == "checksums"
    assert copy.verdict is Verdict.HEALTHY
    assert report.findings == ()
    save(tmp_path / "epoch_9.pth", {"epoch": 9} | states[2])
    report = examine(sorted(tmp_path.iterdir()))
    assert [(f.code, f.severity) for f in report.findings] == [("CD407", Severity.WARNING)]
    assert "epoch_9.pth of epoch 9 has the weights of epoch 3" in report.findings[0].message


def test_copies_without_checksums_are_judged_by_their_figures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file({"w": weights()}, tmp_path / f"{name}.safetensors")
    save_file({"w": weights() + 1e-3}, tmp_path / "c.safetensors")
    reports = examine(sorted(tmp_path.iterdir())).checkpoints
    assert ["CD407" in codes(c, Severity.INFO) for c in reports] == [False, True, False]
    assert get(reports[1].findings, "CD407").evidence["method"] == "extremes and samples"


@each(
    ("state", "severity"),
    [
        ({"epoch": 3, "best_iou": NAN}, Severity.WARNING),
        ({"epoch": 0, "best_iou": NAN}, Severity.WARNING),
        ({"epoch": 3, "best_iou": INF}, Severity.WARNING),
        ({"epoch": 3, "best_loss": INF}, Severity.WARNING),
        ({"epoch": 9, "best_iou": 0.0}, Severity.WARNING),
        ({"epoch": 3, "best_iou": 0.0}, Severity.INFO),  # a young net may score nothing
        ({"epoch": 0, "best_loss": INF}, None),
        ({"epoch": 0, "best_iou": 0.0}, None),
        ({"best_loss": INF}, None),  # nobody knows whether it was trained
        ({"best_iou": NAN}, Severity.WARNING),
        ({"epoch": 3, "best_iou": 0.5}, None),
        ({"epoch": 3, "val_loss": INF}, None),  # its own score; the log has more to say of it
    ],
)
def test_a_stored_best(state: State, severity: Severity | None, tmp_path: Path) -> None:
    found = one(tmp_path, {"model": {"w": weights()}} | state)
    severities = [f.severity for f in found.findings if f.code == "CD405"]
    assert severities == ([] if severity is None else [severity])


def test_a_best_that_stands_still_is_a_note(tmp_path: Path) -> None:
    report = run(tmp_path, *drifting(0.02, 0.02, 0.02, best_iou=0.6413), first=88, step=2)
    notes = {
        c.metadata.epoch or 0: get(c.findings, "CD405").message
        for c in report.checkpoints
        if "CD405" in codes(c, Severity.INFO)
    }
    assert sorted(notes) == [92, 94]
    assert "is that of epoch 88; this file of epoch 94 scored no more" in notes[94]
    assert all(c.verdict is Verdict.HEALTHY for c in report.checkpoints)


@each(
    ("name", "state", "told"),
    [
        ("checkpoint_epoch_88.pth", {"epoch": 42}, True),
        ("checkpoint_epoch_88.pth", {"epoch": 86}, True),
        ("checkpoint_epoch_88.pth", {"epoch": 87}, False),
        ("checkpoint_epoch_88.pth", {"epoch": 89}, False),
        ("checkpoint_1000.pth", {"epoch": 3, "global_step": 1000}, False),
        ("epoch_1000.pth", {"epoch": 3, "global_step": 1000}, False),  # the number of the step
        ("model_0004999.pth", {"iteration": 4999}, False),
        ("step_1000.pth", {"global_step": 20}, True),
        ("yolov7-e6.pt", {"epoch": 300}, False),
        ("best_model.pth", {"epoch": 42}, False),
        ("epoch_5.pth", {}, False),
    ],
)
def test_name_against_contents(name: str, state: State, told: bool, tmp_path: Path) -> None:
    path = save(tmp_path / name, {"model": {"w": weights()}} | state)
    assert codes(examine([path]).checkpoints[0]) == ({"CD406"} if told else set())


def test_no_recent_backup(tmp_path: Path) -> None:
    bad = {"model": {"w": torch.full((32, 32), NAN)}}
    report = run(tmp_path, *drifting(0.02), bad, bad, first=85, step=4)
    (found,) = report.findings
    assert found.code == "CD408"
    assert "epoch 89, lies 8 epochs behind" in found.message
    (none,) = examine(sorted(tmp_path.glob("epoch_9*"))).findings
    assert none.message == "none of 2 checkpoints is healthy"


def test_what_was_saved_behind_a_collapse_is_no_backup(tmp_path: Path) -> None:
    reports = run(tmp_path, *drifting(0.02, 0.02, 0.02), first=80, step=5).checkpoints
    (whole,) = run(tmp_path, *drifting(0.02, 0.02, 0.02), first=80, step=5).runs
    assert [*NoRecentBackup().check_run(whole.run, reports)] == []

    def collapsed_at(epoch: int) -> Run:
        return replace(whole.run, history=replace(whole.history, collapse=epoch))

    (found,) = NoRecentBackup().check_run(collapsed_at(85), reports)
    assert found.evidence["healthy_epoch"] == 80
    assert found.evidence["newest_epoch"] == 95
    assert [*NoRecentBackup().check_run(collapsed_at(95), reports)] == []


def test_a_model_that_is_small_and_whole_raises_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, *[{"model": small_model().state_dict()}] * 3)
    assert [c.verdict for c in report.checkpoints] == [Verdict.HEALTHY] * 3


def test_a_rule_about_the_run_that_fails_is_our_bug(tmp_path: Path) -> None:
    class Broken(Rule):
        """Broken."""

        def check_run(self, run: object, rows: object) -> Any:
            raise ZeroDivisionError

    path = save(tmp_path / "a.pth", {"model": {"w": weights()}})
    report = examine([path], Examination(rules=(Broken,)))
    assert [crash.rule for crash in report.crashes] == ["Broken"]
    assert report.checkpoints[0].verdict is Verdict.HEALTHY


def normalised(size: float, at: int) -> dict[str, Any]:
    """A net with a running variance of some size."""
    buffers = {"bn.running_mean": torch.zeros(8), "bn.running_var": torch.full((8,), size)}
    return {"epoch": at, "model": {"w": weights(at), **buffers}}


def test_a_running_variance_that_jumps_is_told_until_it_is_back(tmp_path: Path) -> None:
    sizes = [1.0, 1.1, 1.2, 1.1, 1.2, 9000.0, 9100.0, 1.2]
    for at, size in enumerate(sizes):
        save(tmp_path / f"epoch_{at}.pth", normalised(size, at))
    found = {
        c.path.name for c in examine(sorted(tmp_path.iterdir())).checkpoints if "CD412" in codes(c)
    }
    assert found == {"epoch_5.pth", "epoch_6.pth"}


def test_a_best_that_freezes_while_it_still_rose_is_told(tmp_path: Path) -> None:
    def told(bests: list[float]) -> set[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        states = [{"model": {"w": weights(at)}, "best_acc": best} for at, best in enumerate(bests)]
        return {finding.code for finding in run(folder, *states).findings}

    rising = [0.05 * at for at in range(1, 9)]
    assert "CD412" in told([*rising, *[rising[-1]] * 8])
    assert "CD412" not in told(rising)
    settled = [0.5, 0.7, 0.8, 0.85, 0.87, 0.88, 0.885, 0.886]
    assert "CD412" not in told([*settled, *[settled[-1]] * 8])
