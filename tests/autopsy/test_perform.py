"""The trunk: what is said to have been first, why, and what the report is made of."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path

import pytest
import torch

from ckptdoctor.autopsy.document import Autopsy, Command, Table
from ckptdoctor.autopsy.figures import Looking
from ckptdoctor.autopsy.perform import perform
from ckptdoctor.render.html.autopsy import autopsy_html
from ckptdoctor.render.machine.autopsy import autopsy_json, autopsy_markdown
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from ckptdoctor.tasks.stored import stored_scalars
from tests.autopsy.trained import ONSET, Fault, flip, freeze, poison, raise_rate, run_of


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
    assert "nearly all tensors turned to NaN" in found.first
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


def test_a_module_outside_its_past_is_said_beside_the_checkpoints(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", flip))
    good = texts(found, "good")
    assert "1.0 is outside its past in it" in good
    assert f"epoch_{ONSET - 1}.pth" in good


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


def test_the_heat_map_has_the_first_module_on_top(tmp_path: Path) -> None:
    found = autopsy_of(run_of(tmp_path / "run", flip))
    row = found.heat.rows[0]
    assert row.module == "model_state_dict.1.0"
    value = row.values[found.heat.columns.index(ONSET)]
    assert value is not None
    assert value > 1.0
    assert all(math.isfinite(one) for one in row.values if one is not None)


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
