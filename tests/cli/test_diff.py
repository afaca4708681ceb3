"""``ckptdoctor diff`` as a person and as a program sees it."""

from __future__ import annotations

import csv
import gc
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ckptdoctor
from ckptdoctor.__main__ import run as in_process
from tests.builders import save
from tests.cli.support import ANSI, Outcome, run, training_state

Here = Callable[..., Outcome]
FORMATS = ("table", "json", "jsonl", "csv", "markdown")
HOSTILE = "=cmd|' /C calc'!A0\x1b[31m|<script>`\n\u202e"


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command in this process, which has imported torch already."""

    def run_here(*arguments: str | Path) -> Outcome:
        try:
            code = in_process(list(map(str, arguments)))
        finally:
            gc.enable()
        out, err = capfdbinary.readouterr()
        return Outcome(code, out.decode(), err.decode())

    return run_here


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    first = save(tmp_path / "a.pth", training_state(85, best=0.6408, fill=0.25))
    return first, save(tmp_path / "b.pth", training_state(88, best=0.6413, fill=0.5))


def test_what_moved_fits_a_screen(pair: tuple[Path, Path]) -> None:
    outcome = run("diff", *pair)
    assert outcome.code == 0
    assert outcome.stderr == ""
    lines = outcome.stdout.splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines if not line.startswith(("a  ", "b  ")))
    assert "model_state_dict.conv" in outcome.stdout
    assert "epoch: 85 → 88" in outcome.stdout
    assert "best_iou: 0.6408 → 0.6413" in outcome.stdout


def test_json_holds_it_all(pair: tuple[Path, Path]) -> None:
    found = run("diff", *pair, "-f", "json", env={"FORCE_COLOR": "1"}).json
    assert found["schema_version"] == 1
    assert found["layers"][0]["name"] == "model_state_dict.conv"
    assert found["layers"][0]["relative"] == pytest.approx(1.0)
    assert {"key": "epoch", "before": 85, "after": 88} in found["metadata"]
    keys = {"added", "removed", "lost", "reshaped", "dtype_changes", "findings", "roles", "total"}
    assert keys <= set(found)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.one_in(3)
def test_every_format_has_the_same_exit_code(
    fmt: str, pair: tuple[Path, Path], tmp_path: Path, here: Here
) -> None:
    nan = save(tmp_path / "nan.pth", training_state(98, fill=math.nan))
    other = save(tmp_path / "other.pth", {"model": {"else": torch.ones(2)}})
    out = str(tmp_path / "out")

    def code(*arguments: str | Path) -> int:
        return here("diff", *arguments, "-f", fmt, "-o", out).code

    assert code(*pair) == 0
    assert code(pair[0], nan) == 1
    assert code(pair[0], nan, "--fail-on", "never") == 0
    assert code(pair[0], other) == 1
    assert code(pair[0], tmp_path / "gone.pth") == 3


def test_nan_against_a_number_is_said(pair: tuple[Path, Path], tmp_path: Path, here: Here) -> None:
    nan = save(tmp_path / "nan.pth", training_state(98, fill=math.nan))
    text = " ".join(here("diff", pair[0], nan).stdout.split())
    assert "12 became NaN" in text
    assert "12 of 12 elements are NaN that were finite before" in text
    back = " ".join(here("diff", nan, pair[0]).stdout.split())
    assert "12 became finite" in back


def weights(*values: float) -> dict[str, torch.Tensor]:
    return {f"l{at}.weight": torch.full((2, 3), value) for at, value in enumerate(values)}


@pytest.fixture
def spoilt(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Sound weights, those of which some are NaN and Inf, and those that are all NaN."""
    one_nan = weights(1.1, math.inf, 2.2, 4.4)
    one_nan["l0.weight"][0, 0] = math.nan
    return (
        save(tmp_path / "a.pth", {"model": weights(1.0, 5.0, 2.0, 4.0)}),
        save(tmp_path / "some.pth", {"model": one_nan}),
        save(tmp_path / "all.pth", {"model": weights(*[math.nan] * 4)}),
    )


@pytest.mark.parametrize("fmt", ["table", "markdown"])
def test_a_move_to_nan_has_no_distance(
    fmt: str, spoilt: tuple[Path, Path, Path], here: Here
) -> None:
    sound, some, wholly = spoilt
    text = " ".join(here("diff", sound, wholly, "-f", fmt).stdout.split())
    assert "hold NaN or Inf in 4" in text
    assert "moved by" not in text
    text = " ".join(here("diff", sound, some, "-f", fmt).stdout.split())
    assert "hold NaN or Inf in 2" in text
    assert "finite in both moved by 0.1 of the" in text.replace("of their", "of the")
    layers = [text.index(f"model.l{at} ", text.index("layer")) for at in range(4)]
    assert max(layers[0], layers[1]) < min(layers[2], layers[3])  # what broke comes first


def test_programs_are_told_that_there_is_no_distance(
    spoilt: tuple[Path, Path, Path], here: Here
) -> None:
    sound, some, wholly = spoilt
    total = json.loads(here("diff", sound, wholly, "-f", "json").stdout)["total"]
    assert (total["relative"], total["new_nan"]) == ("NaN", 24)
    total = json.loads(here("diff", sound, some, "-f", "json").stdout)["total"]
    assert total["relative"] == pytest.approx(0.1, rel=1e-5)
    assert "4 tensors of the weights not finite any more" in str(ckptdoctor.diff(sound, wholly))


def test_identical_and_nothing_in_common_are_said(
    pair: tuple[Path, Path], tmp_path: Path, here: Here
) -> None:
    assert "identical" in here("diff", pair[0], pair[0]).stdout
    other = save(tmp_path / "other.pth", {"model": {"else": torch.ones(2)}})
    outcome = here("diff", pair[0], other)
    assert outcome.code == 1
    assert "no tensor in common" in outcome.stdout
    assert "only in b: model.else" in outcome.stdout
    page = tmp_path / "page.pth"
    page.write_text("<html><title>404</title></html>")
    bad = here("diff", pair[0], page)
    assert bad.code == 1
    assert "404" in bad.stderr
    assert "Traceback" not in bad.stderr


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.one_in(2)
def test_names_from_a_file_are_neutralised(
    fmt: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save(tmp_path / "a.pth", {"model": {HOSTILE: torch.ones(4)}, HOSTILE: 1})
    second = save(tmp_path / "b.pth", {"model": {HOSTILE: torch.zeros(4), "x": torch.ones(1)}})
    outcome = run(
        "diff",
        first,
        second,
        "-f",
        fmt,
        "--all",
        env={"FORCE_COLOR": "" if fmt == "table" else "1"},
    )
    assert not ANSI.search(outcome.stdout)
    assert "\u202e" not in outcome.stdout
    if fmt == "jsonl":
        assert [json.loads(line)["type"] for line in outcome.stdout.splitlines()] == [
            "tensor",
            "summary",
        ]
    if fmt == "csv":
        (row,) = list(csv.DictReader(io.StringIO(outcome.stdout)))
        assert float(row["relative"]) == 1.0
    if fmt == "markdown":
        assert "<script>" not in outcome.stdout


def test_options(pair: tuple[Path, Path], tmp_path: Path, here: Here) -> None:
    only = here("diff", *pair, "-t", "*.bn.*", "-f", "json").json
    assert {tensor["fqn"] for tensor in only["tensors"]} == {
        "model_state_dict.bn.running_var",
        "model_state_dict.bn.num_batches_tracked",
    }
    target = tmp_path / "out.md"
    assert here("diff", *pair, "-f", "markdown", "-o", target).stdout == ""
    assert target.read_text().startswith("### ")
    quiet = here("diff", *pair, "-q").stdout
    assert "model_state_dict.conv" not in quiet
    assert "The weights moved" in quiet
