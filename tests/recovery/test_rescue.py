"""Where an option of ``restore`` makes sound weights of bad ones, it is named, and it works."""

from __future__ import annotations

import copy
import json
import math
import pickle
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.rules.rescue import rescue_command
from tests.builders import save
from tests.cli.support import run

NAN = math.nan
State = dict[str, Any]


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net(torch.randn(4, 1, 8, 8)).square().mean().backward()
    optimizer.step()
    return net, optimizer


def spoiled(state: State, *leaves: str, value: float = NAN) -> State:
    """A state_dict in which the tensors with these endings are bad; all floats for none."""
    state = copy.deepcopy(state)
    for name, tensor in state.items():
        if tensor.is_floating_point() and (not leaves or name.endswith(leaves)):
            tensor.view(-1)[0] = value
    return state


def module_of(net: nn.Module, state: State) -> nn.Module:
    net = copy.deepcopy(net)
    net.load_state_dict(state)
    return net


def statistics(**beside: Any) -> State:
    net, optimizer = trained()
    state = spoiled(net.state_dict(), "running_mean", "running_var")
    return {"epoch": 2, "state_dict": state, "optimizer": optimizer.state_dict()} | beside


def with_ema(ema: Callable[[nn.Module], Any], **beside: Any) -> State:
    net, optimizer = trained()
    bad = spoiled(net.state_dict())
    return {"model": bad, "ema": ema(net), "optimizer": optimizer.state_dict()} | beside


def of_modules() -> State:
    net, _ = trained()
    return {"model": module_of(net, spoiled(net.state_dict())), "ema": net, "epoch": 3}


def wholly_bad_statistics() -> nn.Module:
    net, _ = trained()
    return module_of(net, spoiled(net.state_dict(), "running_var"))


RESCUED: dict[str, tuple[str, Callable[[], Any]]] = {
    "statistics": ("--reset-bn", statistics),
    "a negative variance": (
        "--reset-bn",
        lambda: {"model": spoiled(trained()[0].state_dict(), "running_var", value=-1.0)},
    ),
    "statistics beside a mask": (
        "--reset-bn",
        lambda: statistics(model_mask={"attn_mask": torch.full((3, 3), -math.inf).triu(1)}),
    ),
    "statistics of an EMA alone": (
        "--reset-bn",
        lambda: {"model": None, "ema": spoiled(trained()[0].half().state_dict(), "running_mean")},
    ),
    "statistics of a module": ("--reset-bn", wholly_bad_statistics),
    "an EMA": ("--use-ema", lambda: with_ema(lambda net: net.state_dict())),
    "an EMA of half precision": (
        "--use-ema",
        lambda: with_ema(lambda net: copy.deepcopy(net).half().state_dict()),
    ),
    "an averaged model": (
        "--use-ema",
        lambda: with_ema(lambda net: torch.optim.swa_utils.AveragedModel(net).state_dict()),
    ),
    "modules": ("--use-ema", of_modules),
    "a bad optimizer too": (
        "--use-ema",
        lambda: with_ema(lambda net: net.state_dict(), scaler={"scale": NAN, "growth_factor": 2.0}),
    ),
}


def floats_of(loaded: Any) -> list[torch.Tensor]:
    if isinstance(loaded, nn.Module):
        return floats_of(loaded.state_dict())
    if isinstance(loaded, torch.Tensor):
        return [loaded] if loaded.is_floating_point() else []
    parts = loaded.values() if isinstance(loaded, dict) else loaded
    return [
        t
        for part in parts
        if not isinstance(part, str | int | float | None)
        for t in floats_of(part)
    ]


def weights_of(loaded: Any) -> list[torch.Tensor]:
    if not isinstance(loaded, dict):
        return floats_of(loaded)
    parts = [loaded.get(key) for key in ("model", "state_dict", "ema")]
    return [tensor for part in parts if part is not None for tensor in floats_of(part)]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", RESCUED)
@pytest.mark.one_in(4)
def test_the_option_that_is_named_makes_a_sound_file(
    name: str, zipped: bool, tmp_path: Path
) -> None:
    option, build = RESCUED[name]
    path, clean = tmp_path / "last.pth", tmp_path / "clean.pth"
    torch.save(build(), path, _use_new_zipfile_serialization=zipped)
    (report,) = examine([path]).checkpoints
    assert rescue_command(path, report.findings).endswith(f" {option}")
    restore(path, clean, Edits(use_ema=option == "--use-ema", reset_bn=option == "--reset-bn"))
    found = weights_of(torch.load(clean, weights_only=False))
    assert found
    assert all(tensor.isfinite().all() for tensor in found)
    (again,) = examine([clean]).checkpoints
    assert again.verdict in (Verdict.HEALTHY, Verdict.SUSPECT)
    assert rescue_command(clean, again.findings) == ""


@pytest.mark.parametrize("name", ["statistics", "a bad optimizer too"])
def test_scan_and_every_refusal_print_the_command_and_it_works(name: str, tmp_path: Path) -> None:
    option, build = RESCUED[name]
    folder = tmp_path / "a run's"
    folder.mkdir()
    path = save(folder / "last.pth", build())
    command = shlex.join(["ckptdoctor", "restore", "--from", str(path), option])
    for shown in (run("scan", "-v", str(folder)), run("scan", str(folder))):
        assert f"{command}\n" in shown.stdout  # on one line, to be copied
    (report,) = examine([path]).checkpoints
    assert all(one.remedy.endswith(command) for one in report.findings if "rescue" in one.evidence)
    for refused in (run("restore", "--from", str(path)), run("restore", str(folder))):
        assert refused.code == 4
        assert f"{command}\n" in refused.stderr
    elsewhere = run("restore", "--from", str(path), "-o", str(tmp_path / "x.pth"))
    assert f"{command} -o {tmp_path / 'x.pth'}\n" in elsewhere.stderr
    done = run(*shlex.split(command)[1:])
    assert done.code == 0, done.stderr
    found = weights_of(torch.load(folder / "best_model_clean.pth", weights_only=True))
    assert all(tensor.isfinite().all() for tensor in found)


def test_the_average_takes_the_place_of_the_weights_exactly(tmp_path: Path) -> None:
    state = of_modules()
    path = save(tmp_path / "a.pth", state)
    restore(path, tmp_path / "b.pth", Edits(use_ema=True))
    loaded = torch.load(tmp_path / "b.pth", weights_only=False)
    for name, tensor in state["ema"].state_dict().items():
        assert torch.equal(loaded["model"].state_dict()[name], tensor)


NOT_RESCUED: dict[str, Callable[[], State]] = {
    "nothing but bad weights": lambda: {"model": spoiled(trained()[0].state_dict())},
    "bad weights beside bad statistics": lambda: {
        "model": spoiled(trained()[0].state_dict(), "weight", "running_var")
    },
    "a bad EMA": lambda: with_ema(lambda net: spoiled(net.state_dict())),
    "an EMA of the parameters alone": lambda: with_ema(lambda net: dict(net.named_parameters())),
    "an EMA of another model": lambda: with_ema(lambda _: nn.Linear(3, 3).state_dict()),
    "sound weights": lambda: {"model": trained()[0].state_dict()},
}


@pytest.mark.parametrize("name", NOT_RESCUED)
def test_no_command_is_named_that_would_not_help(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", NOT_RESCUED[name]())
    (report,) = examine([path]).checkpoints
    assert rescue_command(path, report.findings) == ""
    for edits in (Edits(use_ema=True), Edits(reset_bn=True)):
        if report.verdict is Verdict.CORRUPT:
            with pytest.raises(RestoreError):
                restore(path, tmp_path / "b.pth", edits)


def test_what_cannot_be_edited_is_not_offered_an_edit(tmp_path: Path) -> None:
    bad = spoiled(trained()[0].state_dict(), "running_var")
    save_file(bad, tmp_path / "a.safetensors")
    (report,) = examine([tmp_path / "a.safetensors"]).checkpoints
    assert rescue_command(report.path, report.findings) == ""
    with pytest.raises(RestoreError):
        restore(report.path, tmp_path / "b.safetensors", Edits(reset_bn=True))


def test_arrays_that_a_pickle_holds_encoded_are_not_offered_an_edit(tmp_path: Path) -> None:
    bad = spoiled(trained()[0].state_dict(), "running_mean")
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({name: tensor.numpy() for name, tensor in bad.items()}))
    (report,) = examine([path]).checkpoints
    assert rescue_command(path, report.findings) == ""
    with pytest.raises(RestoreError):
        restore(path, tmp_path / "b.pth", Edits(reset_bn=True))


def test_programs_are_told_the_option(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", statistics())
    said = json.loads(run("scan", str(tmp_path), "--format", "json").stdout)
    found = [one for one in said["checkpoints"][0]["findings"] if one["code"] == "CD207"]
    assert found[0]["evidence"]["rescue"] == "--reset-bn"
    assert found[0]["remedy"].endswith("--reset-bn")
