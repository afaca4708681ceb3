"""The trunk: what is said to have been first, why, and what the report is made of."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.demo import make_demo_run
from ckptdoctor.postmortem.causes.suspicion import Kind
from ckptdoctor.postmortem.document import Autopsy, Command, Table
from ckptdoctor.postmortem.figures import Looking
from ckptdoctor.postmortem.perform import perform
from ckptdoctor.render.html.autopsy import autopsy_html
from ckptdoctor.render.machine.autopsy import autopsy_json, autopsy_markdown
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from ckptdoctor.tasks.stored import stored_scalars
from tests.postmortem.trained import (
    EPOCHS,
    ONSET,
    STEPS,
    Fault,
    flip,
    freeze,
    poison,
    raise_rate,
    run_of,
)


def autopsy_of(folder: Path, *, quick: bool = False, target: float | None = None) -> Autopsy:
    (run,) = survey(discover([folder])).runs
    return perform(run, stored_scalars, Looking(quick=quick, jobs=2), target=target)


def texts(found: Autopsy, key: str) -> str:
    """All words of a section."""
    words: list[str] = []
    for section in found.sections:
        for part in section.parts if section.key == key else ():
            if isinstance(part, Table):
                words += [*part.head, *(cell for row in part.rows for cell in row)]
            else:
                words.append(part.text if isinstance(part, Command) else part)
    return "\n".join(words)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    ("fault", "tensors", "cause"),
    [
        (flip, {"1.0.weight"}, "flipped bit"),
        (freeze, {"1.1.running_mean", "1.1.running_var"}, "eval mode"),
        (raise_rate, {"2.0.weight"}, "learning rate of"),
    ],
)
@pytest.mark.one_in(2)
def test_the_first_tensor_and_its_cause(
    fault: Fault, tensors: set[str], cause: str, quick: bool, tmp_path: Path
) -> None:
    found = autopsy_of(run_of(tmp_path / "run", fault), quick=quick)
    first = found.departures[0]
    assert first.name.removeprefix("model_state_dict.") in tensors
    assert found.course.moments[first.place].at in range(ONSET - 3, ONSET + 3)
    assert cause in texts(found, "causes")
    assert found.course.exact is not quick


def test_nothing_is_said_of_a_healthy_run(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run"))
    assert found.departures == ()
    assert found.first == "No tensor left its own past."
    assert "let it go on" in texts(found, "now")


def test_what_turned_to_nan_all_at_once_has_no_first(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", poison))
    assert f"turned to NaN or Inf between epoch {ONSET - 1} and epoch {ONSET}" in found.first
    assert "first module outside" not in texts(found, "happened")


def test_figures_are_those_of_torch(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", flip)
    found = autopsy_of(folder)
    states = [torch.load(folder / f"epoch_{epoch}.pth") for epoch in (6, 7)]
    old, new = (state["model_state_dict"]["1.0.weight"].double() for state in states)
    series = found.course.series
    name = "model_state_dict.1.0.weight"
    assert series[Trait.NORM][name][7] == pytest.approx(float(new.norm()), rel=1e-5)
    assert series[Trait.MOVED][name][7] == pytest.approx(float((new - old).norm()), rel=1e-5)
    largest = torch.linalg.matrix_norm(new, 2)
    assert series[Trait.SPECTRAL][name][7] == pytest.approx(float(largest), rel=0.05)
    squares = states[1]["optimizer_state_dict"]["state"][4]["exp_avg_sq"].double()
    assert series[Trait.SQUARES][name][7] == pytest.approx(float(squares.norm()), rel=1e-5)


@pytest.mark.slow
def test_the_same_folder_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    one = run_of(tmp_path / "here" / "run", flip)
    other = tmp_path / "elsewhere, far" / "deep" / "run"
    shutil.copytree(one, other)
    for write in (autopsy_html, autopsy_markdown, autopsy_json):
        text = write(autopsy_of(one))
        assert text == write(autopsy_of(other))
        assert str(tmp_path) not in text


def test_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", flip)
    found = autopsy_of(folder)
    names = [one.name for one in found.files]
    assert f"epoch_{ONSET - 1}.pth" in names
    assert f"epoch_{ONSET}.pth" in names
    for one in found.files:
        assert one.sha256 == hashlib.sha256((folder / one.name).read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_module_outside_its_past_is_said_beside_the_checkpoints(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", flip))
    good = texts(found, "good")
    assert "1.0 is outside its past in it" in good
    assert f"epoch_{ONSET - 1}.pth" in good


@pytest.mark.slow
def test_the_target_has_a_time(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", flip)
    assert "To 0.7: " in texts(autopsy_of(folder, target=0.7), "timeline")
    assert "--target VALUE" in texts(autopsy_of(folder), "timeline")


def test_a_file_that_cannot_be_read_leaves_a_gap(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", flip)
    (folder / "epoch_4.pth").write_bytes(b"not a checkpoint")
    found = autopsy_of(folder)
    assert found.departures[0].name == "model_state_dict.1.0.weight"


def test_one_checkpoint_has_no_past(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run")
    for path in sorted(folder.glob("epoch_*.pth"))[1:]:
        path.unlink()
    found = autopsy_of(folder)
    assert "One checkpoint has no past" in texts(found, "first")


@pytest.mark.slow
def test_the_heat_map_has_the_first_module_on_top(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", flip))
    row = found.heat.rows[0]
    assert row.module == "model_state_dict.1.0"
    value = row.values[found.heat.columns.index(ONSET)]
    assert value is not None
    assert value > 1.0
    assert all(math.isfinite(one) for one in row.values if one is not None)


@pytest.mark.slow
def test_a_state_that_only_decays_is_told(tmp_path: Path) -> None:
    def starve(epoch: int, net: torch.nn.Module, _: torch.optim.Optimizer) -> None:
        """From some epoch on no gradient reaches one layer; its weight still gets a zero one."""
        if epoch == 5:
            weight = net[1][0].weight  # type: ignore[index]
            weight.register_hook(torch.zeros_like)

    found = autopsy_of(run_of(tmp_path / "run", raise_and(starve)))
    assert "decayed as beta2 to the number of steps" in texts(found, "first")
    assert "1.0.weight decayed" in texts(found, "first").replace("model_state_dict.", "")


def raise_and(other: Fault) -> Fault:
    """Both faults in one run."""

    def both(epoch: int, net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        raise_rate(epoch, net, optimizer)
        other(epoch, net, optimizer)

    return both


def causes(found: Autopsy) -> list[tuple[str, str]]:
    """The title of each cause, and its rows as text."""
    section = next(one for one in found.sections if one.key == "causes")
    tables = [part for part in section.parts if isinstance(part, Table)]
    return [(one.head[1], "\n".join(": ".join(row) for row in one.rows)) for one in tables]


@pytest.mark.slow
def test_all_at_once_is_one_bad_step_and_no_rate(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", poison))
    (first, why), *others = causes(found)
    assert "not finite reached the optimizer" in first
    assert "14 of 14 parameters" in why
    assert f"at epoch {ONSET - 1}, the last checkpoint before, the median weight" in why
    (rate,) = [rows for title, rows in others if title.startswith("learning rate too high")]
    assert "nothing grew ahead of it" in rate.split("against: ", 1)[1]
    assert all(title.endswith("(unlikely)") for title, _ in others)


@pytest.mark.slow
def test_what_no_step_of_adam_reaches_was_written_by_something_else(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", flip))
    first, why = causes(found)[0]
    assert first.endswith("flipped bit (clear)")
    most = 2e-3 * (STEPS // 10 + 1 / math.sqrt(1 - 0.999))
    assert f"move an element by {most:.3g} at most" in why
    found = autopsy_of(run_of(tmp_path / "other", reset))
    first, why = causes(found)[0]
    assert first.startswith("model_state_dict.3: weights were reset")
    assert "something else wrote it" in why


def test_a_rate_that_rises_for_all_is_told_ahead_of_what_follows_from_it(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", raise_all))
    first, why = causes(found)[0]
    assert first.startswith("learning rate")
    assert "the median weight moved" in why
    assert "grows without a bound (likely)" not in texts(found, "causes")


@pytest.mark.slow
def test_an_average_that_is_not_finite_is_told(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run")
    for path in folder.glob("epoch_*.pth"):
        state = torch.load(path)
        average = {name: one.clone() for name, one in state["model_state_dict"].items()}
        if state["epoch"] >= ONSET:
            average["3.weight"].fill_(math.nan)
        torch.save(state | {"ema_state_dict": average}, path)
    found = autopsy_of(folder)
    assert found.first == (
        f"At epoch {ONSET} model_state_dict.3.weight has NaN or Inf in its average (EMA)."
    )
    assert causes(found)[0][0].startswith("the average (EMA) was poisoned")
    assert "nothing went wrong" not in found.headline


def test_a_shard_that_alone_is_not_finite_is_named(tmp_path: Path) -> None:
    for epoch in range(1, 9):
        shards_of(tmp_path / "run" / f"checkpoint-{epoch}", bad=epoch > 6)
    found = autopsy_of(tmp_path / "run")
    first, why = causes(found)[0]
    assert first.startswith("model-00002-of-00003.safetensors alone was written with NaN")
    assert "all 2 parameters that are not finite lie in model-00002-of-00003.safetensors" in why
    assert "which has 2 of 6" in why


@pytest.mark.slow
def test_a_share_of_bad_elements_is_that_of_the_tensor(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run")
    path = folder / f"epoch_{EPOCHS - 1}.pth"
    state = torch.load(path)
    state["model_state_dict"]["1.0.weight"][0, :4] = math.nan
    torch.save(state, path)
    assert "holds NaN or Inf in 6.25 % of its elements" in autopsy_of(folder).first


def test_what_was_bad_from_the_first_checkpoint_on_is_not_said_to_be_well(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", poison)
    for path in folder.glob("epoch_*.pth"):
        if int(path.stem.partition("_")[2]) < ONSET:
            path.unlink()
    found = autopsy_of(folder)
    assert f"hold NaN or Inf in epoch {ONSET}, the first checkpoint that is here" in found.first


def test_few_checkpoints_are_said_to_tell_little(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run")
    for path in folder.glob("epoch_*.pth"):
        if int(path.stem.partition("_")[2]) > 3:
            path.unlink()
    assert "cannot be told from 4 checkpoints" in autopsy_of(folder).first


def test_what_happened_is_told_once(tmp_path: Path) -> None:
    found = autopsy_of(make_demo_run(tmp_path / "demo"))
    told = texts(found, "happened")
    assert told.count("0.5742") == 1
    assert told.count("0.0022") == 1
    assert told.count("Loss is NaN") == 1
    assert found.causes[0].kind is Kind.BAD_STEP
    assert "--scale-lr 0.5" in texts(found, "restart")
    assert "it takes the rate times 0.5" in texts(found, "restart")  # though the rate is unlikely
    assert found.apart in texts(found, "restart")


def shards_of(folder: Path, *, bad: bool) -> None:
    """A model in three files, the second of which turns to NaN."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    where: dict[str, str] = {}
    for shard in range(3):
        name = f"model-{shard + 1:05d}-of-00003.safetensors"
        weights = {f"layers.{2 * shard + at}.weight": torch.randn(8, 8) for at in range(2)}
        step = int(folder.name.partition("-")[2])
        for weight in weights.values():
            weight.add_(0.01 * step * torch.randn(8, 8))
            if bad and shard == 1:
                weight.fill_(math.nan)
        save_file(weights, folder / name, metadata={"format": "pt"})
        where |= dict.fromkeys(weights, name)
    index = {"metadata": {"total_size": 6 * 256}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def reset(epoch: int, net: torch.nn.Module, _: torch.optim.Optimizer) -> None:
    """The head begins anew."""
    if epoch == ONSET:
        net[3].reset_parameters()  # type: ignore[index]
        with torch.no_grad():
            net[3].weight.mul_(-1.5)  # type: ignore[index]


def raise_all(epoch: int, _: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The rate of all is many times what it was."""
    if epoch >= ONSET - 1:
        for group in optimizer.param_groups:
            group["lr"] *= 8.0
