"""A checkpoint of several files is one patient: judged by the worst of what it needs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.builders import data_span, save

SHARDS = [f"model-{at:05d}-of-00002.safetensors" for at in (1, 2)]


def series(root: Path, *steps: int) -> Path:
    """Checkpoints as a trainer of transformers writes them, with two shards and a score."""
    for step in steps:
        folder = root / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        torch.manual_seed(step)
        weights = {f"layers.{at}.weight": torch.randn(8, 8) for at in range(2)}
        for name, (fqn, tensor) in zip(SHARDS, weights.items(), strict=True):
            save_file({fqn: tensor}, folder / name)
        index = dict(zip(weights, SHARDS, strict=True))
        text = json.dumps({"metadata": {"total_size": 512}, "weight_map": index})
        (folder / "model.safetensors.index.json").write_text(text)
        buffers = {"step": torch.tensor(float(step)), "exp_avg": torch.randn(8, 8)}
        state = {at: buffers | {"exp_avg_sq": torch.rand(8, 8)} for at in range(2)}
        groups = [{"lr": 1e-3, "params": [0, 1]}]
        save(folder / "optimizer.pt", {"state": state, "param_groups": groups})
        save(folder / "scheduler.pt", {"base_lrs": [1e-3], "last_epoch": step, "_last_lr": [1e-3]})
        save(folder / "rng_state.pth", {"python": (3, (1, step), None), "cpu": torch.rand(4)})
        entry = {"epoch": step / 100, "step": step, "eval_accuracy": 0.5 + step / 1000}
        text = json.dumps({"epoch": step / 100, "global_step": step, "log_history": [entry]})
        (folder / "trainer_state.json").write_text(text)
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return series(tmp_path / "run", 100, 200, 300)


def newest(report: Report) -> CheckpointReport:
    return next(row for row in report.checkpoints if row.path.name == "checkpoint-300")


def last_good(report: Report) -> str:
    return "" if report.last_good is None else report.last_good.path.name


def test_a_healthy_series_is_three_checkpoints_of_one_run(run: Path) -> None:
    report = survey(discover([run]))
    assert [row.path.name for row in report.checkpoints] == [
        *("checkpoint-100", "checkpoint-200", "checkpoint-300")
    ]
    assert {row.verdict for row in report.checkpoints} == {Verdict.HEALTHY}
    assert last_good(report) == "checkpoint-300"
    row = newest(report)
    assert row.metadata.global_step == 300
    assert row.metadata.metric is not None
    assert row.metadata.metric.value == pytest.approx(0.8)
    assert row.format == "huggingface"
    sizes = {path.name: path.stat().st_size for path in row.path.iterdir()}
    assert {one.part.name: one.nbytes for one in row.parts} == sizes
    assert row.nbytes == sum(sizes.values())
    assert row.tensors.count == 2 + 6 + 1
    assert {one.verdict for one in row.parts} == {Verdict.HEALTHY}


def poisoned(path: Path) -> None:
    if path.suffix == ".safetensors":
        weights = load_file(path)
        for tensor in weights.values():
            tensor.view(-1)[3] = math.nan
        save_file(weights, path)
        return
    state = torch.load(path, weights_only=False)
    for buffers in state["state"].values():
        buffers["exp_avg"][0, 0] = math.nan
    torch.save(state, path)


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data_span(path, f"{path.stem}/data/0")[0]] ^= 1
    path.write_bytes(data)


def page(path: Path) -> None:
    path.write_text("<html></html>")


HEALTHY, SUSPECT, SALVAGEABLE, CORRUPT, _ = Verdict


@pytest.mark.parametrize(
    ("part", "damage", "code", "verdict"),
    [
        (SHARDS[1], poisoned, "CD201", CORRUPT),
        (SHARDS[1], Path.unlink, "CD111", CORRUPT),
        (SHARDS[1], cut, "CD102", CORRUPT),
        (SHARDS[0], page, "CD101", CORRUPT),
        ("optimizer.pt", poisoned, "CD301", SALVAGEABLE),
        ("optimizer.pt", Path.unlink, "CD111", SALVAGEABLE),
        ("optimizer.pt", cut, "CD102", SALVAGEABLE),
        ("optimizer.pt", page, "CD101", SALVAGEABLE),
        ("optimizer.pt", flipped, "CD103", SALVAGEABLE),
        ("scheduler.pt", Path.unlink, "CD111", SUSPECT),
        ("scheduler.pt", page, "CD101", SUSPECT),
        ("rng_state.pth", Path.unlink, "CD111", SUSPECT),
        ("rng_state.pth", cut, "CD102", SUSPECT),
        ("rng_state.pth", flipped, "CD103", SUSPECT),
    ],
)
@pytest.mark.one_in(3)
def test_it_is_as_good_as_its_worst_needed_part(
    run: Path, part: str, damage: Callable[[Path], None], code: str, verdict: Verdict
) -> None:
    damage(run / "checkpoint-300" / part)
    report = survey(discover([run]))
    row = newest(report)
    assert row.verdict is verdict
    assert last_good(report) == "checkpoint-200"
    found = [finding for finding in row.findings if finding.code == code]
    assert any(named(finding, part) for finding in found)
    needed = verdict is not SUSPECT
    assert all(f.severity is (Severity.ERROR if needed else Severity.WARNING) for f in found)
    verdicts = {one.part.name: one.verdict for one in row.parts}
    if damage is not Path.unlink:
        assert verdicts.pop(part) is not HEALTHY
    assert set(verdicts.values()) == {HEALTHY}
    assert [r.verdict for r in report.checkpoints if r is not row] == [HEALTHY, HEALTHY]


def named(finding: Finding, part: str) -> bool:
    tensors = {SHARDS[0]: "layers.0", SHARDS[1]: "layers.1", "optimizer.pt": "optimizer."}
    tensors["rng_state.pth"] = "rng_state."
    return part in finding.subject or finding.subject.startswith(tensors.get(part, part))


def test_code_in_any_part_is_an_error(run: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.system, ("id",)

    torch.save({"python": Evil()}, run / "checkpoint-300" / "rng_state.pth")
    row = newest(survey(discover([run])))
    (finding,) = (finding for finding in row.findings if finding.code == "CD106")
    assert finding.severity is Severity.ERROR
    assert finding.evidence["part"] == "rng_state.pth"


def test_a_part_of_another_checkpoint_is_told_of_both(run: Path) -> None:
    other = run / "checkpoint-200" / SHARDS[1]
    (run / "checkpoint-300" / SHARDS[1]).write_bytes(other.read_bytes())
    report = survey(discover([run]))
    told = {
        row.path.name: [f.evidence["part"] for f in row.findings if f.code == "CD111"]
        for row in report.checkpoints
    }
    assert told == {
        "checkpoint-100": [],
        "checkpoint-200": [SHARDS[1]],
        "checkpoint-300": [SHARDS[1]],
    }
    assert last_good(report) == "checkpoint-100"


def test_a_shard_that_is_never_trained_is_nothing_odd(run: Path) -> None:
    frozen = (run / "checkpoint-100" / SHARDS[1]).read_bytes()
    for step in (200, 300):
        (run / f"checkpoint-{step}" / SHARDS[1]).write_bytes(frozen)
    assert {row.verdict for row in survey(discover([run])).checkpoints} == {HEALTHY}


def test_without_any_weights_it_is_unreadable(run: Path) -> None:
    for name in SHARDS:
        (run / "checkpoint-300" / name).unlink()
    row = newest(survey(discover([run])))
    assert row.verdict is Verdict.UNREADABLE
    assert not row.has_weights


def test_files_named_one_by_one_are_put_together(run: Path) -> None:
    inside = run / "checkpoint-300"
    found = discover([inside / SHARDS[0], inside / "optimizer.pt", inside / SHARDS[1]])
    assert [files.path for files in found.checkpoints] == [inside]
    alone = discover([inside / SHARDS[0]])
    assert [(files.path, files.is_single) for files in alone.checkpoints] == [
        (inside / SHARDS[0], True)
    ]
    both = discover([inside / SHARDS[0], inside / "optimizer.pt"])  # not all of the model
    assert all(files.is_single for files in both.checkpoints)


def test_a_model_at_the_root_is_one_of_the_run(run: Path) -> None:
    save_file(load_file(run / "checkpoint-300" / SHARDS[0]), run / "model.safetensors")
    (run / "config.json").write_text('{"model_type": "bert"}')
    report = survey(discover([run]))
    assert {row.run for row in report.checkpoints if row.path != run} == {"run"}
    assert len(report.checkpoints) == 4
