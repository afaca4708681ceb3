"""Folders with several runs in them, from real files, by the real command."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.bad_inputs.running import called
from tests.builders import save
from tests.cli.support import Outcome, run
from tests.each import each

NAN = float("nan")
RISING = [0.34, 0.47, 0.55, 0.61, 0.66, 0.69]
COLLAPSED = [0.35, 0.49, 0.58, 0.64, 0.02, 0.01]


class Tern(nn.Module):
    """A small net with a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 2)


class Heron(nn.Module):
    """Another."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(5, 4)
        self.decoder = nn.Linear(4, 5)
        self.scale = nn.Parameter(torch.ones(4))


def state(
    net: nn.Module, epoch: int, *, poisoned: str = "", lr: float = 3e-4, **more: object
) -> dict[str, object]:
    """A checkpoint of the net after one more step; ``poisoned``: what holds NaN in it."""
    torch.manual_seed(epoch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
    torch.stack([p.square().sum() for p in net.parameters()]).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    held = optimizer.state_dict()
    if poisoned == "model":
        weights[next(iter(weights))].fill_(NAN)
    if poisoned == "optimizer":
        held["state"][0]["exp_avg"] = torch.full_like(held["state"][0]["exp_avg"], NAN)
    return {
        "epoch": epoch,
        "model_state_dict": weights,
        "optimizer_state_dict": held,
        **more,
    }


def train(
    folder: Path,
    pattern: str = "epoch_{}.pth",
    epochs: Sequence[int] = range(1, 7),
    make: Callable[[], nn.Module] = Tern,
    **more: Any,
) -> Path:
    """A run of one net in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    net = make()
    for at, epoch in enumerate(epochs):
        held = {key: value(at) if callable(value) else value for key, value in more.items()}
        save(folder / pattern.format(epoch), state(net, epoch, **held))
    return folder


def told(values: Sequence[float], name: str = "val_iou") -> str:
    return "".join(
        f"Epoch {e}: train_loss: {1 / e:.4f} | {name}: {v}\n" for e, v in enumerate(values, start=1)
    )


def ask(*arguments: str | Path, cwd: Path | None = None) -> Outcome:
    """The command in this process: most of the time of another goes into its start."""
    with contextlib.chdir(cwd or Path()):
        return Outcome(*called(*arguments))


def scanned(*arguments: str | Path, cwd: Path | None = None) -> Any:
    found = ask("scan", *arguments, "--format", "json", "--fail-on", "never", cwd=cwd)
    assert found.code == 0, found.stderr
    return found.json


def runs_in(document: Any) -> dict[str, Any]:
    return {one["name"]: one for one in document["runs"]}


def good(one: Any) -> str | None:
    return one["last_good"] and Path(one["last_good"]["path"]).name


def printed(text: str) -> list[list[str]]:
    """The words of every command of ours that stands on a line of its own."""
    lines = [line.removeprefix("ckptdoctor:").strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("ckptdoctor ")]


def repeated(outcome: Outcome, code: int, count: int, cwd: Path) -> list[Outcome]:
    """What became of every command that a refusal names."""
    assert outcome.code == code, outcome.stderr
    commands = printed(outcome.stderr)
    assert len(commands) == count, outcome.stderr
    return [run(*words, cwd=cwd) for words in commands]


# -- siblings with their logs above --------------------------------------------------------------


@pytest.fixture(scope="module")
def siblings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one collapsed, whose logs lie in the folder above beside those of others."""
    root = tmp_path_factory.mktemp("siblings")
    for name, values in (("calm", RISING), ("bold", COLLAPSED)):
        train(root / f"trials/{name}")
        (root / f"trials/{name}.log").write_text(told(values))
    (root / "trials/pip.log").write_text("Collecting numpy\nEpoch 3: val_iou: 0.0001\n")
    return root


def test_of_siblings_each_is_judged_by_its_own_log(siblings: Path) -> None:
    document = scanned("trials", cwd=siblings)
    runs = runs_in(document)
    assert set(runs) == {"calm", "bold"}
    assert document["last_good"] is None
    assert good(runs["calm"]) == "epoch_6.pth"
    assert good(runs["bold"]) == "epoch_4.pth"
    assert [Path(log).name for log in runs["calm"]["logs"]] == ["calm.log"]
    assert [Path(log).name for log in runs["bold"]["logs"]] == ["bold.log"]
    assert runs["calm"]["metric"] == runs["bold"]["metric"] == "val_iou"
    assert runs["bold"]["mode"] == "max"
    codes = {name: {f["code"] for f in one["findings"]} for name, one in runs.items()}
    assert "CD402" in codes["bold"]
    assert "CD402" not in codes["calm"]
    assert not runs["calm"]["next"]
    assert "plan" in runs["bold"]["next"]
    assert "--run bold" in runs["bold"]["next"]
    assert {row["run"] for row in document["checkpoints"]} == {"calm", "bold"}


def test_one_sibling_alone_is_not_blamed_for_the_other(siblings: Path) -> None:
    document = scanned("trials/calm", cwd=siblings)
    assert good(document) == "epoch_6.pth"
    (one,) = document["runs"]
    assert [Path(log).name for log in one["logs"]] == ["calm.log"]
    assert not {"CD402", "CD401", "CD404"} & {f["code"] for f in document["findings"]}
    screen = ask("scan", "trials/calm", cwd=siblings)
    assert "calm.log" in screen.stdout, "every output says which logs it believed"


def test_restore_refuses_and_each_command_that_it_names_writes(
    siblings: Path, tmp_path: Path
) -> None:
    copy = _copied(siblings, tmp_path)
    refused = ask("restore", "trials", cwd=copy)
    assert "calm" in refused.stderr
    assert "bold" in refused.stderr
    assert not list(copy.rglob("best_model_clean*"))
    for done in repeated(refused, 4, 2, copy):
        assert done.code == 0, done.stderr
    made = sorted(str(path.relative_to(copy)) for path in copy.rglob("best_model_clean.pth"))
    assert made == ["trials/bold/best_model_clean.pth", "trials/calm/best_model_clean.pth"]
    again = runs_in(scanned("trials", cwd=copy))
    assert {name: good(one) for name, one in again.items()} == {
        "calm": "epoch_6.pth",
        "bold": "epoch_4.pth",
    }, "a copy is no candidate"


def test_plan_refuses_and_each_command_that_it_names_plans(siblings: Path) -> None:
    refused = ask("plan", "trials", cwd=siblings)
    plans = repeated(refused, 2, 2, siblings)
    assert [plan.code for plan in plans] == [0, 0]
    assert {"calm", "bold"} == {
        name
        for plan in plans
        for name in ("calm", "bold")
        if f"trials/{name}/epoch_" in plan.stdout
    }
    (words,) = printed(runs_in(scanned("trials", cwd=siblings))["bold"]["next"])
    chosen = run(*words, cwd=siblings)
    assert chosen.code == 0
    assert "epoch_4.pth" in chosen.stdout


def test_an_epoch_of_several_runs_chooses_none(siblings: Path) -> None:
    refused = ask("restore", "trials", "--epoch", "3", cwd=siblings)
    assert refused.code == 4
    commands = printed(refused.stderr)
    assert len(commands) == 2
    assert all("3" in words and "trials" in words for words in commands)


def test_run_chooses_and_a_wrong_name_is_told_the_nearest(siblings: Path, tmp_path: Path) -> None:
    chosen = ask(
        "restore", "trials", "--run", "bold", "-o", tmp_path / "out.pth", "--format", "json",
        cwd=siblings,
    )  # fmt: skip
    assert chosen.code == 0, chosen.stderr
    assert Path(chosen.json["source"]).name == "epoch_4.pth"
    wrong = ask("restore", "trials", "--run", "blod", cwd=siblings)
    assert wrong.code == 2
    assert "bold" in wrong.stderr
    assert "calm" in wrong.stderr


def test_a_metric_that_is_not_there_is_exit_2_with_those_that_are(siblings: Path) -> None:
    for command in ("scan", "rank", "restore", "plan", "history"):
        refused = ask(command, "trials/calm", "--metric", "dice", cwd=siblings)
        assert refused.code == 2, command
        assert "val_iou" in refused.stderr
        assert "dice" in refused.stderr
        assert refused.stdout == ""


def test_history_tells_the_runs_apart(siblings: Path) -> None:
    document = ask("history", "trials", "--format", "json", cwd=siblings).json
    collapses = {Path(one["path"]).name: one["collapse"] for one in document["runs"]}
    assert collapses["calm"] is None
    assert collapses["bold"]["epoch"] == 5


def _copied(root: Path, target: Path) -> Path:
    return Path(shutil.copytree(root, target / "copy"))


# -- several families and versions ---------------------------------------------------------------


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind of several runs."""
    root = tmp_path_factory.mktemp("zoo")
    rising = lambda at: 0.4 + at / 20  # noqa: E731
    few = range(1, 4)
    train(root / "families", "tern_epoch_{}.pth", few, val_f1=rising)
    train(root / "families", "heron_epoch_{}.pth", few, Heron, val_f1=rising)
    for fold in (1, 2, 3):
        train(root / f"folds/fold{fold}", "ep{}.pt", (1, 2, 3)[: fold + 1], val_f1=rising)
    for version in (0, 1):
        train(root / f"lightning_logs/version_{version}/checkpoints", "epoch={}.ckpt", few)
    train(root / "gan", "G_{}.pth", (100, 200, 300))
    train(root / "gan", "D_{}.pth", (100, 200, 300), Heron)
    rows = [(0, 510), (1, 695), (2, 873), (0, 1010), (1, 1262), (2, 1519)]
    net = Tern()
    (root / "twice").mkdir()
    for epoch, step in rows:
        save(root / f"twice/ckpt_{step}.pt", state(net, epoch, global_step=step, val_f1=0.5))
    train(root / "stray", "tern_{}.pth", range(1, 5), val_f1=rising)
    save(root / "stray/swin_pretrained.pth", state(Heron(), 300, val_f1=0.97))
    return root


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("families", {"tern_epoch": 3, "heron_epoch": 3}),
        ("folds", {"fold1": 2, "fold2": 3, "fold3": 3}),
        ("lightning_logs", {"version_0": 3, "version_1": 3}),
        ("gan", {"G": 3, "D": 3}),
    ],
)
def test_runs_are_told_apart_by_what_differs(zoo: Path, folder: str, names: dict[str, int]) -> None:
    document = scanned(folder, cwd=zoo)
    found = {name.split("/")[0]: one for name, one in runs_in(document).items()}
    assert {name: len(one["checkpoints"]) for name, one in found.items()} == names
    assert document["last_good"] is None
    for one in found.values():
        assert one["last_good"]["path"] in one["checkpoints"]
    screen = ask("scan", folder, cwd=zoo).stdout
    assert all(name in screen for name in names)


def test_two_trainings_in_one_folder_are_no_jump_in_the_weights(zoo: Path) -> None:
    document = scanned("twice", cwd=zoo)
    assert sorted(len(one["checkpoints"]) for one in document["runs"]) == [3, 3]
    assert document["summary"]["healthy"] == 6
    assert not [
        f for row in document["checkpoints"] for f in row["findings"] if f["code"] == "CD410"
    ]
    repeated(ask("plan", "twice", cwd=zoo), 2, 2, zoo)


def test_a_stray_is_listed_and_neither_wins_nor_makes_several(zoo: Path) -> None:
    document = scanned("stray", cwd=zoo)
    (one,) = document["runs"]
    assert good(document) == good(one) == "tern_4.pth"
    beside = [row for row in document["checkpoints"] if row["run"] is None]
    assert [Path(row["path"]).name for row in beside] == ["swin_pretrained.pth"]
    assert beside[0]["verdict"] == "healthy"
    assert "swin_pretrained.pth" in ask("scan", "stray", "-v", cwd=zoo).stdout
    planned = ask("plan", "stray", cwd=zoo)
    assert planned.code == 0
    assert "tern_4.pth" in planned.stdout


@pytest.mark.parametrize("fmt", ["csv", "markdown", "sarif", "junit", "html", "github", "jsonl"])
@pytest.mark.one_in(3)
def test_every_output_names_the_runs(zoo: Path, fmt: str) -> None:
    text = ask("scan", "gan", "--format", fmt, "--fail-on", "never", cwd=zoo).stdout
    if fmt == "github" and not text.strip():
        return  # nothing is wrong: no annotation
    assert re.search(r"\bG\b", text)
    assert re.search(r"\bD\b", text)


# -- order and next ------------------------------------------------------------------------------


def test_a_salvageable_file_with_the_much_better_score_wins(tmp_path: Path) -> None:
    train(
        tmp_path / "run",
        "e{}.pth",
        range(1, 13),
        val_f1=lambda at: 0.62 + at / 40,
        poisoned=lambda at: "optimizer" if at >= 4 else "",
    )
    document = scanned("run", cwd=tmp_path)
    assert document["summary"]["salvageable"] == 8
    assert good(document) == "e12.pth"
    restored = ask("restore", "run", "--format", "json", cwd=tmp_path)
    assert restored.code == 0, restored.stderr
    assert "optimizer" in json.dumps(restored.json["actions"])


def test_next_is_the_plan_where_the_run_holds_nan_and_it_runs(tmp_path: Path) -> None:
    train(
        tmp_path / "my run",
        "tern_{}.pth",
        range(1, 7),
        val_f1=lambda at: 0.5 + at / 30,
        poisoned=lambda at: "model" if at == 5 else "",
    )
    (words,) = printed(scanned("my run", cwd=tmp_path)["runs"][0]["next"])
    assert words[0] == "plan"
    planned = run(*words, cwd=tmp_path)
    assert planned.code == 0
    assert "tern_5.pth" in planned.stdout


@each("command", ["scan", "rank", "restore", "plan", "history", "watch"])
def test_metric_and_mode_are_asked_by_every_command_that_ranks(command: str) -> None:
    text = ask(command, "--help").stdout
    assert "--metric" in text
    assert "--mode" in text


# -- copies --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended in NaN, its best file too, with a copy of the last good one at 0.6."""
    root = tmp_path_factory.mktemp("copied")
    rising = lambda at: 0.5 + at / 30  # noqa: E731
    bad = lambda at: "model" if at == 6 else ""  # noqa: E731
    train(root / "a b", "tern_{}.pth", range(1, 8), val_f1=rising, poisoned=bad, lr=0.004)
    save(root / "a b/best_model.pth", state(Tern(), 7, poisoned="model", val_f1=0.9))
    assert ask("restore", "a b", "--scale-lr", "0.6", cwd=root).code == 0
    return root


def rates(path: Path) -> list[float]:
    held = torch.load(path, weights_only=True)["optimizer_state_dict"]["param_groups"]
    return [group["lr"] for group in held]


def test_a_copy_is_shown_as_one_and_its_original_is_the_candidate(copied: Path) -> None:
    document = scanned("a b", cwd=copied)
    assert good(document) == "tern_6.pth"
    screen = " ".join(ask("scan", "a b", cwd=copied).stdout.split())
    assert "restored from tern_6.pth, rates × 0.6" in screen
    ranking = ask("rank", "a b", "--format", "json", cwd=copied).json["ranking"]
    assert Path(ranking[0]["path"]).name == "tern_6.pth"


@pytest.mark.parametrize(
    "words", [("a b",), ("--from", "a b/tern_6.pth"), ("--from", "a b/best_model_clean.pth")]
)
def test_a_second_scaling_is_reckoned_from_the_original(
    copied: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "again.pth"
    assert ask("restore", *words, "--scale-lr", "0.6", "-o", out, cwd=copied).code == 0
    assert rates(out) == pytest.approx([0.0024])


@pytest.mark.parametrize("words", [("a b/best_model.pth",), ("a b", "--epoch", "88")])
def test_a_refusal_names_the_sound_ones_and_its_commands_run(
    copied: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    refused = ask("restore", *words, cwd=copied)
    assert refused.code == 4
    commands = printed(refused.stderr)
    assert commands
    assert "tern_6.pth" in " ".join(commands[0])
    for at, command in enumerate(commands):
        assert ask(*command, "-o", tmp_path / f"{at}.pth", cwd=copied).code == 0


def test_next_after_a_restore_finds_its_way_past_the_copy(copied: Path, tmp_path: Path) -> None:
    root = _copied(copied, tmp_path)
    (words,) = printed(scanned("a b", cwd=root)["runs"][0]["next"])
    planned = ask(*words, cwd=root)
    assert planned.code == 0
    commands = [command for command in printed(planned.stdout) if command[0] == "restore"]
    assert commands
    assert [ask(*command, cwd=root).code for command in commands] == [0] * len(commands)
