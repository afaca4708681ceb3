"""What a checkpoint is good for, from the file to the verdict."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.rules import verdict_of
from ckptdoctor.rules.verdict import verdict_of_parts
from tests.builders import patched, rezip, save
from tests.cases import finding, record
from tests.each import each
from tests.rules.test_rules import FIRES, INF, NAN, doubled, model, optimizer

GOOD_STATE = optimizer(exp_avg=torch.zeros(1), exp_avg_sq=torch.ones(1))
STATES: list[tuple[str, dict[str, Any], Verdict]] = [
    ("all finite", model(1.0) | GOOD_STATE, Verdict.HEALTHY),
    ("NaN in the model", model(NAN), Verdict.CORRUPT),
    ("Inf in the model", model(INF), Verdict.CORRUPT),
    (
        "Inf in exp_avg_sq",
        model(1.0) | optimizer(exp_avg_sq=torch.tensor([INF])),
        Verdict.SALVAGEABLE,
    ),
    ("NaN in exp_avg", model(1.0) | optimizer(exp_avg=torch.tensor([NAN])), Verdict.SALVAGEABLE),
    ("NaN in both", model(NAN) | optimizer(exp_avg=torch.tensor([NAN])), Verdict.CORRUPT),
    ("NaN in the EMA", model(1.0, ema={"w": torch.tensor([NAN])}), Verdict.SALVAGEABLE),
    ("NaN in the scaler", model(1.0, scaler={"scale": torch.tensor(NAN)}), Verdict.SALVAGEABLE),
    ("a mask", {"model": {"attn.mask": torch.tensor([-INF])}}, Verdict.HEALTHY),
    (
        "a constraint's bound",
        {"state_dict": {"kernel.raw_lengthscale_constraint.upper_bound": torch.tensor(INF)}},
        Verdict.HEALTHY,
    ),
    (
        "a counter",
        {"model": {"w": torch.ones(1), "bn.num_batches_tracked": torch.tensor(2**62)}},
        Verdict.HEALTHY,
    ),
    (
        "the bounds of what an agent sees",
        {"policy": {"observation_space.low": torch.tensor([-INF, 0.0])}},
        Verdict.HEALTHY,
    ),
    ("the worst score of a scheduler", model(1.0, scheduler={"mode_worse": INF}), Verdict.HEALTHY),
]


@each(("state", "verdict"), [case[1:] for case in STATES], ids=[case[0] for case in STATES])
def test_what_is_in_the_tensors_decides(
    state: dict[str, Any], verdict: Verdict, tmp_path: Path
) -> None:
    (report,) = examine([save(tmp_path / "a.pth", state)]).checkpoints
    assert report.verdict is verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("CD101", Verdict.UNREADABLE),
        ("CD106", Verdict.SUSPECT),
        ("CD107", Verdict.SUSPECT),
        ("CD108", Verdict.UNREADABLE),
    ],
)
def test_what_the_container_is_decides(code: str, verdict: Verdict, tmp_path: Path) -> None:
    (report,) = examine([FIRES[code](tmp_path)]).checkpoints
    assert report.verdict is verdict


def test_contradictions_in_the_archive_are_never_healthy(tmp_path: Path) -> None:
    (report,) = examine([doubled(tmp_path)]).checkpoints
    assert report.verdict is Verdict.SUSPECT


def damaged(path: Path, what: Callable[[bytearray], None]) -> Verdict:
    data = bytearray(path.read_bytes())
    what(data)
    path.write_bytes(data)
    return examine([path]).checkpoints[0].verdict


MODEL_VALUE, OPTIMIZER_VALUE = 1.5, 2.5


@pytest.fixture
def both(tmp_path: Path) -> Path:
    state = {"model": {"w": torch.full((500,), MODEL_VALUE)}} | optimizer(
        exp_avg=torch.full((500,), OPTIMIZER_VALUE)
    )
    return save(tmp_path / "a.pth", state)


def where(data: bytearray, value: float) -> int:
    return data.index(torch.full((500,), value).numpy().tobytes())


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(MODEL_VALUE, Verdict.CORRUPT), (OPTIMIZER_VALUE, Verdict.SALVAGEABLE)],
)
def test_a_flipped_bit_costs_what_it_hits(both: Path, value: float, verdict: Verdict) -> None:
    def flip(data: bytearray) -> None:
        data[where(data, value) + 100] ^= 1

    assert damaged(both, flip) is verdict


def test_a_flipped_bit_under_many_views_still_costs_the_model(tmp_path: Path) -> None:
    shared = torch.full((500,), MODEL_VALUE)
    state = {"other": {f"view{i}": shared[i:] for i in range(20)}, "model": {"w": shared}}
    path = save(tmp_path / "a.pth", state)

    def flip(data: bytearray) -> None:
        data[where(data, MODEL_VALUE) + 100] ^= 1

    assert damaged(path, flip) is Verdict.CORRUPT


def test_a_flipped_bit_in_the_pickle_is_never_healthy(both: Path) -> None:
    def flip(data: bytearray) -> None:
        data[data.index(b"exp_avg")] ^= 1

    assert damaged(both, flip) is not Verdict.HEALTHY


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(MODEL_VALUE, Verdict.CORRUPT), (OPTIMIZER_VALUE, Verdict.SALVAGEABLE)],
)
def test_a_cut_costs_what_lies_behind_it(both: Path, value: float, verdict: Verdict) -> None:
    def cut(data: bytearray) -> None:
        del data[where(data, value) + 100 :]

    assert damaged(both, cut) is verdict


def test_a_cut_behind_the_last_tensor_is_salvageable(both: Path) -> None:
    def cut(data: bytearray) -> None:
        del data[where(data, OPTIMIZER_VALUE) + 2000 + 16 :]

    assert damaged(both, cut) is Verdict.SALVAGEABLE


def test_nothing_to_read_is_unreadable() -> None:
    assert verdict_of([], None) is Verdict.UNREADABLE
    assert verdict_of([], []) is Verdict.SUSPECT


def net() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 2),
    )


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad"])
def test_a_healthy_training_raises_no_alarm(name: str, steps: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = net()
    options = {"momentum": 0.9} if name == "SGD" else {}
    trainer = getattr(torch.optim, name)(model.parameters(), lr=1e-3, **options)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(trainer)
    for _ in range(steps):
        trainer.zero_grad()
        loss = model(torch.randn(4, 3, 8, 8)).square().mean()
        loss.backward()
        trainer.step()
        scheduler.step(loss.item())
    state = {
        "epoch": steps,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": trainer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
    }
    (report,) = examine([save(tmp_path / "a.pth", state)]).checkpoints
    assert report.verdict is Verdict.HEALTHY
    assert all(finding.severity is Severity.INFO for finding in report.findings)


# -- the table, without files --------------------------------------------------------------------

MODEL = record("model.w")
OPTIMIZER = record("optimizer.m", role=Role.OPTIMIZER)
SALVAGEABLE = Verdict.SALVAGEABLE
LOST_MODEL = record("model.w", lost=True)
LOST_OPTIMIZER = record("optimizer.m", role=Role.OPTIMIZER, lost=True)
LOST_SCHEDULE = record("scheduler.t", role=Role.SCHEDULER, lost=True)


@each(
    ("findings", "tensors", "verdict"),
    [
        ([], None, Verdict.UNREADABLE),
        ([finding("CD101")], [MODEL], Verdict.UNREADABLE),
        ([finding("CD108")], [], Verdict.UNREADABLE),
        ([], [MODEL], Verdict.HEALTHY),
        ([], [], Verdict.SUSPECT),
        ([], [OPTIMIZER], Verdict.SUSPECT),
        ([], [LOST_OPTIMIZER], Verdict.SALVAGEABLE),
        ([finding("CD105", Severity.INFO)], [MODEL], Verdict.HEALTHY),
        ([finding("CD203", Severity.INFO)], [MODEL], Verdict.HEALTHY),
        ([finding("CD103", Severity.INFO, unchecked=3)], [MODEL], Verdict.HEALTHY),
        ([finding("CD109", Severity.WARNING)], [MODEL], Verdict.SUSPECT),
        ([finding("CD104")], [MODEL], Verdict.SUSPECT),
        ([finding("CD106")], [MODEL], Verdict.SUSPECT),
        ([finding("CD102")], [MODEL], Verdict.SALVAGEABLE),
        ([finding("CD102")], [MODEL, LOST_OPTIMIZER], Verdict.SALVAGEABLE),
        ([finding("CD102")], [], Verdict.UNREADABLE),  # cut before the first tensor
        ([], [MODEL, LOST_OPTIMIZER], Verdict.SALVAGEABLE),
        ([], [MODEL, LOST_SCHEDULE], Verdict.SALVAGEABLE),
        ([finding("CD102")], [LOST_MODEL, OPTIMIZER], Verdict.CORRUPT),
        ([finding("CD103", tensors=["model.w"])], [MODEL, OPTIMIZER], Verdict.CORRUPT),
        ([finding("CD103", tensors=["optimizer.m"])], [MODEL, OPTIMIZER], Verdict.SALVAGEABLE),
        (
            [finding("CD103", tensors=["optimizer.m", "model.w"])],
            [MODEL, OPTIMIZER],
            Verdict.CORRUPT,
        ),
        ([finding("CD103")], [MODEL], Verdict.SUSPECT),
        ([replace(finding("CD103"), subject="model.w")], [MODEL], Verdict.CORRUPT),
        ([replace(finding("CD104"), subject="optimizer.m")], [MODEL, OPTIMIZER], SALVAGEABLE),
        ([replace(finding("CD102"), subject="model.w")], [MODEL], Verdict.SALVAGEABLE),
        ([finding("CD301"), finding("CD201")], [MODEL], Verdict.CORRUPT),
        ([finding("CD304")], [MODEL], Verdict.SALVAGEABLE),
    ],
)
def test_the_verdict_is_the_worst_that_the_findings_say(
    findings: list[Finding], tensors: Any, verdict: Verdict
) -> None:
    assert verdict_of(findings, tensors) is verdict


@pytest.mark.parametrize(
    ("verdict", "roles"),
    [
        (Verdict.CORRUPT, [PartRole.MODEL]),
        (Verdict.SALVAGEABLE, [PartRole.OPTIMIZER, PartRole.EMA, PartRole.SCALER]),
        (Verdict.SUSPECT, [PartRole.RNG, PartRole.SCHEDULER, PartRole.ARGS]),
    ],
)
def test_a_part_that_cannot_be_read_costs_what_it_holds(
    verdict: Verdict, roles: list[PartRole]
) -> None:
    for role in roles:
        assert verdict_of_parts([], [MODEL], [(role, Verdict.UNREADABLE)]) is verdict, role


def test_a_lost_schedule_of_several_files_is_odd_and_a_lost_optimizer_salvageable() -> None:
    assert verdict_of([], [MODEL, LOST_SCHEDULE], of_several=True) is Verdict.SUSPECT
    assert verdict_of([], [MODEL, LOST_OPTIMIZER], of_several=True) is Verdict.SALVAGEABLE


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("model.w", Verdict.CORRUPT), ("optimizer.state.0.exp_avg", Verdict.SALVAGEABLE)],
)
def test_a_deflated_record_that_is_damaged_counts_for_the_part_it_hits(
    both: Path, tmp_path: Path, name: str, verdict: Verdict
) -> None:
    packed = rezip(both, tmp_path / "b.pth", method=zipfile.ZIP_DEFLATED)
    tensors = open_checkpoint(packed).tensors
    ref = next(tensor.storage for tensor in tensors if tensor.fqn == name)
    assert ref is not None
    (report,) = examine([patched(packed, ref.offset, b"\xff")]).checkpoints
    assert report.verdict is verdict
    assert [(found.code, found.subject) for found in report.findings] == [("CD104", name)]
    assert report.tensors.scanned == report.tensors.count - 1


@pytest.mark.parametrize("scale", [NAN, INF, 0.0, 2.0**-30])
def test_a_scale_that_is_a_plain_number_is_looked_at(scale: float, tmp_path: Path) -> None:
    scaler = {"scale": scale, "growth_factor": 2.0, "_growth_tracker": 7}
    (report,) = examine([save(tmp_path / "a.pth", model(1.0, scaler=scaler))]).checkpoints
    assert report.verdict is Verdict.SALVAGEABLE
    assert [found.code for found in report.findings] == ["CD304"]


def test_nan_in_a_history_is_none_of_the_weights(tmp_path: Path) -> None:
    state = model(1.0, history=torch.tensor([1.0, NAN]))
    (report,) = examine([save(tmp_path / "a.pth", state)]).checkpoints
    assert report.verdict is Verdict.HEALTHY


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_fresh_net_of_half_precision_raises_no_alarm(dtype: torch.dtype, tmp_path: Path) -> None:
    weights = net().to(dtype).state_dict()
    (report,) = examine([save(tmp_path / "a.pth", weights)]).checkpoints
    assert (report.verdict, report.findings) == (Verdict.HEALTHY, ())
    assert report.tensors.scanned == report.tensors.count == len(weights)
