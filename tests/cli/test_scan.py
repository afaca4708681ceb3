"""``ckptdoctor scan`` as a contract: exit codes, both outputs, what is printed where."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import torch

from tests.builders import save
from tests.cli.support import ANSI, make_run, make_sparse, run, training_state

FINDING = {
    "type": "object",
    "required": ["code", "severity", "subject", "message", "evidence", "remedy"],
    "properties": {
        "code": {"type": "string", "pattern": r"^CD[1-4]\d\d$"},
        "severity": {"enum": ["info", "warning", "error"]},
        "evidence": {"type": "object"},
    },
}
NUMBER = {"type": ["number", "string"]}
VERDICTS = ["healthy", "suspect", "salvageable", "corrupt", "unreadable"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema_version", "tool", "checkpoints", "last_good", "findings", "summary"],
    "properties": {
        "schema_version": {"const": 1},
        "tool": {"required": ["name", "version"], "properties": {"name": {"const": "ckptdoctor"}}},
        "checkpoints": {
            "type": "array",
            "items": {
                "required": [
                    *("path", "format", "nbytes", "verdict", "epoch", "epoch_source"),
                    *("global_step", "metric", "tensors", "findings"),
                ],
                "properties": {
                    "format": {"type": ["string", "null"]},
                    "nbytes": {"type": "integer"},
                    "verdict": {"enum": VERDICTS},
                    "epoch": {"type": ["integer", "null"]},
                    "epoch_source": {"enum": ["contents", "filename", "log", None]},
                    "metric": {
                        "type": ["object", "null"],
                        "required": ["name", "value", "mode", "kind", "source"],
                        "properties": {
                            "value": NUMBER,
                            "mode": {"enum": ["max", "min", None]},
                            "kind": {"enum": ["score", "running_best"]},
                        },
                    },
                    "tensors": {
                        "required": ["count", "scanned", "nbytes", "nan", "inf"],
                        "additionalProperties": {"type": "integer"},
                    },
                    "findings": {"type": "array", "items": FINDING},
                },
            },
        },
        "last_good": {"type": ["object", "null"], "required": ["path", "epoch", "reason"]},
        "findings": {"type": "array", "items": FINDING},
        "summary": {
            "required": ["checkpoints", *VERDICTS],
            "additionalProperties": {"type": "integer"},
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "checkpoints")


def test_the_table_answers_on_one_screen(folder: Path) -> None:
    outcome = run("scan", "checkpoints", cwd=folder.parent)
    assert outcome.code == 1
    assert outcome.stderr == ""
    lines = outcome.stdout.splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines if not line.startswith("Next:"))
    assert "Last good: checkpoints/checkpoint_epoch_9.pth" in outcome.stdout
    expected = "ckptdoctor plan checkpoints"
    assert f"Next:      {expected}\n" in outcome.stdout
    assert [line.split(":")[0] for line in lines[:3]][1] == "Last good"  # above everything else
    assert "404 Not Found" in " ".join(outcome.stdout.split())
    assert not ANSI.search(outcome.stdout)


@pytest.mark.slow
def test_the_next_command_works(folder: Path) -> None:
    outcome = run("scan", "checkpoints", cwd=folder.parent)
    command = outcome.stdout.partition("Next:")[2].splitlines()[0].strip()
    assert command.startswith("ckptdoctor ")
    here = command.replace("ckptdoctor", f"{sys.executable} -m ckptdoctor", 1)
    done = subprocess.run(here, shell=True, cwd=folder.parent, check=True, capture_output=True)
    (restore,) = re.findall(rb"^ +ckptdoctor (restore --from .*)$", done.stdout, re.MULTILINE)[:1]
    again = f"{sys.executable} -m ckptdoctor {restore.decode()}"
    subprocess.run(again, shell=True, cwd=folder.parent, check=True, capture_output=True)
    clean = torch.load(folder / "best_model_clean.pth", weights_only=True)
    assert clean["epoch"] == 9


def test_json_is_schema_1(folder: Path) -> None:
    outcome = run("scan", folder, "--format", "json", env={"FORCE_COLOR": "1"})
    assert outcome.code == 1
    assert not ANSI.search(outcome.stdout)
    report = outcome.json
    jsonschema.validate(report, SCHEMA)
    assert report["last_good"]["epoch"] == 9
    assert report["summary"] == {
        "checkpoints": 5,
        "healthy": 3,
        "suspect": 0,
        "salvageable": 0,
        "corrupt": 1,
        "unreadable": 1,
    }
    corrupt = next(c for c in report["checkpoints"] if c["verdict"] == "corrupt")
    assert corrupt["epoch"] == 11
    assert corrupt["epoch_source"] == "contents"
    assert corrupt["tensors"]["nan"] == 12
    assert corrupt["metric"] == {
        "name": "best_iou",
        "value": 0.61,
        "mode": "max",
        "kind": "running_best",
        "source": "contents",
    }


def test_a_nan_metric_is_written_as_text(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", training_state(3, best=float("nan")))
    (checkpoint,) = run("scan", tmp_path, "--format", "json").json["checkpoints"]
    assert checkpoint["metric"]["value"] == "NaN"


def test_a_healthy_folder_exits_with_0_and_needs_no_next_command(tmp_path: Path) -> None:
    save(tmp_path / "a_epoch_3.pth", training_state(3))
    outcome = run("scan", tmp_path)
    assert outcome.code == 0
    assert "Next:" not in outcome.stdout


@pytest.mark.parametrize(
    ("fail_on", "code"), [("never", 0), ("error", 1), ("warning", 1), ("info", 1)]
)
@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.one_in(3)
def test_fail_on_decides_the_exit_code_in_every_format(
    folder: Path, fail_on: str, code: int, output: str
) -> None:
    assert run("scan", folder, "--fail-on", fail_on, "--format", output).code == code


def test_info_findings_fail_only_when_asked(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", {"model": {"attn.mask": torch.full((2, 2), -torch.inf)}})
    assert run("scan", tmp_path).code == 0
    assert run("scan", tmp_path, "--fail-on", "info").code == 1


@pytest.mark.parametrize("arguments", [["--format", "xml"], ["--jobs", "0"], ["--nonsense"]])
def test_a_senseless_command_line_exits_with_2(arguments: list[str]) -> None:
    outcome = run("scan", *arguments)
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "its options:  ckptdoctor scan --help" in outcome.stderr


def test_nothing_to_examine_exits_with_3(tmp_path: Path) -> None:
    missing = run("scan", tmp_path / "nowhere")
    assert (missing.code, missing.stdout) == (3, "")
    assert "no such file or folder" in missing.stderr
    empty = run("scan", tmp_path)
    assert (empty.code, empty.stdout) == (3, "")
    assert "no checkpoint in it" in empty.stderr
    report = run("scan", tmp_path, "--format", "json")
    assert report.code == 3
    assert report.json["checkpoints"] == []


def test_a_missing_path_beside_others_is_reported_and_the_others_are_scanned(folder: Path) -> None:
    good = folder / "checkpoint_epoch_9.pth"
    outcome = run("scan", good, folder / "gone.pth", "--format", "json")
    assert outcome.code == 1
    verdicts = {Path(c["path"]).name: c["verdict"] for c in outcome.json["checkpoints"]}
    assert verdicts == {"checkpoint_epoch_9.pth": "healthy", "gone.pth": "unreadable"}


def test_without_paths_it_looks_where_the_variable_or_the_habit_says(folder: Path) -> None:
    by_habit = run("scan", "--format", "json", cwd=folder.parent)
    assert by_habit.json["summary"]["checkpoints"] == 5
    other = folder.parent / "other"
    save_other = training_state(1)
    other.mkdir()
    save(other / "x.pth", save_other)
    configured = run(
        "scan", "--format", "json", cwd=folder.parent, env={"CKPTDOCTOR_DIR": str(other)}
    )
    assert configured.json["summary"]["checkpoints"] == 1
    here = run("scan", "--format", "json", cwd=other)
    assert [c["path"] for c in here.json["checkpoints"]] == ["x.pth"]


def test_output_goes_to_a_file(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    outcome = run("scan", folder, "--format", "json", "-o", target)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert '"schema_version": 1' in target.read_text()


def test_quiet_says_only_what_it_adds_up_to(folder: Path) -> None:
    outcome = run("scan", folder, "-q")
    assert "checkpoint_epoch_8.pth" not in outcome.stdout
    assert "5 checkpoints" in outcome.stdout
    assert "Last good" in outcome.stdout


def test_verbose_lists_every_finding(folder: Path) -> None:
    outcome = run("scan", folder, "-v")
    assert "CD201 error model_state_dict.conv.weight: 12 of 12 elements are NaN" in " ".join(
        outcome.stdout.split()
    )


def test_many_healthy_checkpoints_do_not_push_the_answer_off_the_screen(tmp_path: Path) -> None:
    for epoch in range(40):
        save(tmp_path / f"epoch_{epoch}.pth", training_state(epoch, best=epoch / 100))
    outcome = run("scan", tmp_path)
    assert len(outcome.stdout.splitlines()) <= 24
    assert "… and 27 more: 27 healthy (-v lists all)" in outcome.stdout
    assert "epoch_39.pth" in outcome.stdout
    assert len(run("scan", tmp_path, "-v").stdout.splitlines()) >= 40


def test_colour_where_it_is_forced_and_nowhere_else(folder: Path) -> None:
    forced = run("scan", folder, env={"FORCE_COLOR": "1"})
    assert ANSI.search(forced.stdout)
    assert not ANSI.search(run("scan", folder, "--no-color", env={"FORCE_COLOR": "1"}).stdout)
    assert not ANSI.search(run("scan", folder).stdout)


def test_names_from_a_file_cannot_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[bold]x[/bold]\u202e"
    save(tmp_path / "a.pth", {"model": {evil: torch.tensor([torch.nan])}})
    for outcome in (run("scan", tmp_path, "-v"), run("inspect", tmp_path / "a.pth")):
        shown = outcome.stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[bold]x[/bold]" in shown.replace("\n", "") or "…" in shown


@pytest.mark.parametrize("backend", ["libtorch", "eager"])
@pytest.mark.one_in(2)
def test_every_backend_says_what_python_alone_says(folder: Path, backend: str) -> None:
    reference = run("scan", folder, "--format", "json").stdout
    chosen = run("scan", folder, "--format", "json", env={"CKPTDOCTOR_BACKEND": backend})
    assert chosen.stdout == reference


def test_an_unknown_backend_is_a_usage_error(folder: Path) -> None:
    outcome = run("scan", folder, env={"CKPTDOCTOR_BACKEND": "abacus"})
    assert outcome.code == 2
    assert "abacus" in outcome.stderr


def test_sources_are_left_as_they_are(folder: Path) -> None:
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    run("scan", folder)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m ckptdoctor scan {folder} --fail-on never | head -1"
    finished = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False
    )
    assert finished.returncode == 0
    assert finished.stderr == b""


FROM_A_TERMINAL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from ckptdoctor.__main__ import main; main()"
)
"""A shell lets what it starts in the background ignore interrupts."""


@pytest.mark.slow
def test_an_interrupt_exits_with_130(tmp_path: Path) -> None:
    make_sparse(tmp_path, 500)  # far more than a minute's reading
    with subprocess.Popen(
        [sys.executable, "-c", FROM_A_TERMINAL, "scan", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            process = psutil.Process(child.pid)
            while not any(file.path.startswith(str(tmp_path)) for file in process.open_files()):
                time.sleep(0.05)
            os.kill(child.pid, signal.SIGINT)
            _, stderr = child.communicate(timeout=60)
        finally:
            child.kill()  # it would read for hours
    assert child.returncode == 130
    assert b"interrupted" in stderr
    assert b"Traceback" not in stderr


def test_a_rule_that_fails_is_our_bug_and_the_others_still_run(folder: Path) -> None:
    code = (
        "import sys; from ckptdoctor.rules.weights import InfByDesign\n"
        "def explode(self, case): raise ZeroDivisionError('on purpose')\n"
        "InfByDesign.check = explode\n"
        "from ckptdoctor.__main__ import run\n"
        f"sys.exit(run(['scan', {str(folder)!r}, '--format', 'json']))"
    )
    outcome = run(code=code)
    assert outcome.code == 70
    assert "InfByDesign" in outcome.stderr
    assert "on purpose" in outcome.stderr
    assert any(c["verdict"] == "corrupt" for c in outcome.json["checkpoints"])
    assert outcome.json["errors"][0]["rule"] == "InfByDesign"


def test_the_end_of_a_file_of_ours_is_no_ctrl_c(folder: Path) -> None:
    """A cut ``.pyc`` raises ``EOFError``, which the parser takes for an end of input."""
    code = (
        "import sys\n"
        "class Cut:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ckptdoctor.runs.departure':\n"
        "            raise EOFError('marshal data too short')\n"
        "sys.meta_path.insert(0, Cut())\n"
        "from ckptdoctor.__main__ import run\n"
        f"sys.exit(run(['scan', {str(folder)!r}]))"
    )
    outcome = run(code=code)
    assert outcome.code == 70
    assert "marshal data too short" in outcome.stderr
    assert "interrupted" not in outcome.stderr


def test_an_unexpected_failure_exits_with_70(folder: Path) -> None:
    code = (
        "import sys, ckptdoctor.diagnose as d\n"
        "def explode(*_): raise ZeroDivisionError('on purpose')\n"
        "d.examine = explode\n"
        "from ckptdoctor.__main__ import run\n"
        f"sys.exit(run(['scan', {str(folder)!r}]))"
    )
    outcome = run(code=code)
    assert outcome.code == 70
    assert "our bug" in outcome.stderr


def test_what_scan_wrote_is_no_log_of_the_training(tmp_path: Path) -> None:
    """Results are kept beside the run, and tell epochs and metrics of it."""
    for epoch in (1, 2, 3):
        save(tmp_path / f"unet_{epoch}.pth", {"epoch": epoch, "model": {"w": torch.ones(3)}})
    (tmp_path / "training.log").write_text("".join(f"epoch {e} val_iou 0.{e}\n" for e in (1, 2, 3)))
    for name, form in (("scan.txt", "table"), ("scan.jsonl", "jsonl"), ("scan.json", "json")):
        assert run("scan", tmp_path, "-f", form, "-o", tmp_path / name).code == 0
    document = json.loads(run("scan", tmp_path, "-f", "json").stdout)
    (found,) = document["runs"]
    assert [Path(log).name for log in found["logs"]] == ["training.log"]
    assert found["logs_aside"] == []
