"""A run that really dies, and really comes back: the whole of docs/recovery-story.md."""

from __future__ import annotations

import contextlib
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.cli.support import Outcome
from tests.recovery.real_run import EpochLine, options_of, start
from tests.recovery.real_run_story import SCAN, Planned, Plot, Story, draw

_SAVED = "checkpoint_epoch_{}.pth"
_FULL = Plot()
_SHORT = Plot(stage_one=4, session=6, died=12, warmup=6, lr=0.5)  # dies sooner


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_SHORT, id="short", marks=pytest.mark.slow),
        pytest.param(_FULL, id="full", marks=pytest.mark.slow),
    ],
)
def plot(request: pytest.FixtureRequest) -> Plot:
    wanted = request.param
    assert isinstance(wanted, Plot)
    return wanted


@pytest.fixture(scope="module")
def story(plot: Plot, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A run that was fine in stage 1, and died in stage 2."""
    story = Story(tmp_path_factory.mktemp("run"))
    story.train("stage 1", plot.first())
    story.train("stage 2", plot.second())
    story.train("stage 2", plot.third(), stop=plot.died)
    return story


@pytest.fixture(scope="module")
def good_epoch(story: Story) -> int:
    """The saved epoch with the highest IoU, as the log has it."""
    saved = [line for line in _all(story) if (_checkpoints(story) / _name(line)).exists()]
    return max(saved, key=lambda line: line.iou).epoch


@pytest.fixture(scope="module")
def planned(plot: Plot, story: Story) -> Planned:
    """Option A, as it is printed."""
    outcome = story.doctor(f"{plot.plan()} --format json")
    assert outcome.code == 0, outcome.stderr
    option = outcome.json["options"][0]
    assert option["recommended"]
    return Planned.of(option)


@pytest.fixture(scope="module")
def restored(story: Story, planned: Planned) -> Outcome:
    return story.doctor(planned.restore)


def _all(story: Story) -> list[EpochLine]:
    return story.runs["stage 1"] + story.runs["stage 2"]


def _checkpoints(story: Story) -> Path:
    return story.folder / "checkpoints"


def _name(line: EpochLine) -> str:
    return _SAVED.format(line.epoch)


@contextlib.contextmanager
def _within(story: Story) -> Iterator[None]:
    with contextlib.chdir(story.folder):
        yield


@pytest.mark.slow
def test_the_run_was_fine_and_then_died_by_its_own_arithmetic(story: Story) -> None:
    first, second = story.runs["stage 1"], story.runs["stage 2"]
    assert all(math.isfinite(line.loss) for line in first)
    assert max(line.iou for line in second) > max(line.iou for line in first)
    assert math.isfinite(second[0].loss)
    assert math.isnan(second[-1].loss)
    assert second[-1].iou == 0.0
    best = torch.load(_checkpoints(story) / "best_model.pth", weights_only=True)
    assert best["best_iou"] == max(line.iou for line in _all(story))
    assert any(weight.isnan().any() for weight in best["model_state_dict"].values())


@pytest.mark.slow
def test_scan_tells_the_dead_from_the_sound_and_names_the_last_good(
    plot: Plot, story: Story, good_epoch: int
) -> None:
    outcome = story.doctor(f"{SCAN} --format json")
    assert outcome.code == 1
    report = outcome.json
    verdicts = {Path(item["path"]).name: item["verdict"] for item in report["checkpoints"]}
    lived = {line.epoch for line in _all(story) if math.isfinite(line.loss)}
    died = {"best_model.pth"}
    for epoch in range(2, plot.died + 1, 2):
        if epoch not in lived:
            died.add(_SAVED.format(epoch))
    assert {name for name, verdict in verdicts.items() if verdict == "corrupt"} == died
    assert {name for name, verdict in verdicts.items() if verdict == "healthy"} == {
        _SAVED.format(epoch) for epoch in lived if epoch % 2 == 0
    }
    assert report["last_good"]["epoch"] == good_epoch > plot.stage_one
    assert Path(report["last_good"]["path"]).name == _SAVED.format(good_epoch)


def test_plan_goes_back_to_the_last_good_one_below_the_rate_that_killed_the_run(
    plot: Plot, story: Story, good_epoch: int, planned: Planned
) -> None:
    assert planned.epoch == good_epoch
    assert planned.value("--epochs") == f"{plot.end}"
    dead = next(line for line in _all(story) if math.isnan(line.loss))
    assert planned.factor * max(line.lr for line in _all(story)) < dead.lr
    assert float(planned.value("--lr")) == pytest.approx(plot.lr * planned.factor)


def test_the_restored_rate_is_the_one_that_the_optimizer_uses(
    plot: Plot, story: Story, planned: Planned, restored: Outcome
) -> None:
    assert restored.code == 0, restored.stderr
    scale = planned.factor
    with _within(story):
        plain = start(options_of(shlex.split(plot.trapped(planned.epoch, planned.value("--lr")))))
        clean = start(options_of(shlex.split(planned.train)))
    for before, after in zip(
        plain.optimizer.param_groups, clean.optimizer.param_groups, strict=True
    ):
        assert after["lr"] == pytest.approx(before["lr"] * scale)
        assert after["initial_lr"] == pytest.approx(plot.lr * scale)
    assert clean.scheduler.base_lrs == pytest.approx([plot.lr * scale])
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(clean.model.state_dict()[name], weight)
    clean.optimizer.step()
    clean.scheduler.step()
    plain.optimizer.step()
    plain.scheduler.step()
    expected = plain.optimizer.param_groups[0]["lr"] * scale
    assert clean.optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_a_lower_rate_on_the_command_line_lowers_nothing(
    plot: Plot, story: Story, planned: Planned
) -> None:
    command = shlex.split(plot.trapped(planned.epoch, planned.value("--lr")))
    with _within(story):
        run = start(options_of(command))
    next_line = next(line for line in _all(story) if line.epoch == planned.epoch + 1)
    assert run.optimizer.param_groups[0]["lr"] == next_line.lr
    assert run.scheduler.base_lrs == [plot.lr]


@pytest.mark.slow
def test_without_the_scaling_it_dies_again(plot: Plot, story: Story, planned: Planned) -> None:
    lines = story.train("trap", plot.trapped(planned.epoch, planned.value("--lr")))
    assert [line.lr for line in lines] == [
        line.lr for line in _all(story) if line.epoch > planned.epoch
    ]
    assert math.isnan(lines[-1].loss)


@pytest.mark.slow
def test_with_it_the_run_ends_above_where_it_was(
    plot: Plot, story: Story, planned: Planned, restored: Outcome
) -> None:
    if plot is not _FULL:
        pytest.skip("the short run is too short for that")
    assert restored.code == 0, restored.stderr
    lines = story.train("recovered", planned.train)
    assert lines[0].epoch == planned.epoch + 1
    assert all(math.isfinite(line.loss) for line in lines)
    best_before = max(line.iou for line in _all(story))
    assert sum(line.iou for line in lines[-3:]) / 3 >= best_before + 0.03
    outcome = story.doctor("scan checkpoints_recovery/ --format json --fail-on never")
    assert outcome.json["summary"]["corrupt"] == 0
    assert outcome.json["last_good"]["epoch"] > 30


def test_the_plot_holds_every_run_and_no_nan(story: Story) -> None:
    first, second = story.runs["stage 1"], story.runs["stage 2"]
    svg = draw({"one": first, "two": second, "three": second, "four": second})
    assert len(re.findall("<polyline", svg)) == 12
    assert "loss NaN" in svg
    assert "nan" not in svg
