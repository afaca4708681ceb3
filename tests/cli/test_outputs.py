"""Every format says the same, exits with the same code, and is what it claims to be."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

from ckptdoctor.cli.options import Format
from tests.builders import save
from tests.cli.support import ANSI, Outcome, make_run, run, training_state
from tests.render.html.own_script import without_our_script

MACHINE = [fmt.value for fmt in Format if fmt is not Format.TABLE]


def read_lines(text: str) -> None:
    for line in text.splitlines():
        json.loads(line)


def read_table(text: str) -> None:
    widths = {len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)}
    assert len(widths) == 1


def starts(head: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        assert text.startswith(head)

    return check


def last_line(text: str) -> None:
    assert text.splitlines()[-1].startswith("ckptdoctor: ")


READ: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": read_lines,
    "csv": read_table,
    "markdown": starts("### "),
    "sarif": json.loads,
    "junit": ET.fromstring,
    "github": last_line,
    "html": starts("<!DOCTYPE html>"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, int]]:
    """A folder for each exit code."""
    root = tmp_path_factory.mktemp("outputs")
    (root / "empty").mkdir()
    (root / "healthy").mkdir()
    save(root / "healthy" / "epoch_1.pth", training_state(1))
    return {
        "healthy": (root / "healthy", 0),
        "broken": (make_run(root / "broken"), 1),
        "empty": (root / "empty", 3),
        "missing": (root / "missing", 3),
    }


def plain(outcome: Outcome) -> str:
    assert not ANSI.search(outcome.stdout)
    assert "Traceback" not in outcome.stderr
    return outcome.stdout


def in_every_format(
    tmp_path: Path, *arguments: str | Path
) -> tuple[dict[str, int], dict[str, str]]:
    """Exit codes and results by format."""
    codes: dict[str, int] = {}
    texts: dict[str, str] = {}
    for fmt in MACHINE:
        target = tmp_path / fmt
        outcome = run(*arguments, "-f", fmt, "-o", target, env={"FORCE_COLOR": "1"})
        assert "Traceback" not in outcome.stderr
        codes[fmt] = outcome.code
        texts[fmt] = target.read_bytes().decode()
        assert not ANSI.search(texts[fmt]), fmt
        READ[fmt](texts[fmt])
    return codes, texts


@pytest.mark.parametrize("fmt", MACHINE)
@pytest.mark.one_in(3)
def test_it_writes_to_standard_output(fmt: str, folders: Mapping[str, tuple[Path, int]]) -> None:
    folder, code = folders["broken"]
    outcome = run("scan", folder, "--format", fmt, env={"FORCE_COLOR": "1"})
    assert outcome.code == code
    READ[fmt](plain(outcome))


@pytest.mark.parametrize("name", ["healthy", "broken", "empty", "missing"])
@pytest.mark.one_in(2)
def test_the_exit_code_is_the_same(
    name: str, folders: Mapping[str, tuple[Path, int]], tmp_path: Path
) -> None:
    folder, code = folders[name]
    codes, texts = in_every_format(tmp_path, "scan", folder)
    assert codes == dict.fromkeys(MACHINE, code)
    assert json.loads(texts["sarif"])["runs"][0]["invocations"][0]["exitCode"] == code
    suite = ET.fromstring(texts["junit"]).attrib
    assert (int(suite["failures"]) + int(suite["errors"]) > 0) is (code == 1)


@pytest.mark.slow
def test_fail_on_counts_in_every_format(
    folders: Mapping[str, tuple[Path, int]], tmp_path: Path
) -> None:
    codes, texts = in_every_format(tmp_path, "scan", folders["broken"][0], "--fail-on", "never")
    assert codes == dict.fromkeys(MACHINE, 0)
    assert ET.fromstring(texts["junit"]).attrib["failures"] == "0"
    assert json.loads(texts["sarif"])["runs"][0]["invocations"][0]["exitCode"] == 0


@pytest.mark.parametrize(("epoch", "code"), [(10, 0), (11, 1)])
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_inspect_writes_every_format(
    epoch: int, code: int, folders: Mapping[str, tuple[Path, int]], tmp_path: Path
) -> None:
    path = folders["broken"][0] / f"checkpoint_epoch_{epoch}.pth"
    codes, texts = in_every_format(tmp_path, "inspect", path)
    assert codes == dict.fromkeys(MACHINE, code)
    verdict = "corrupt" if code else "healthy"
    for fmt in MACHINE:
        if fmt != "csv":  # which lists tensors
            assert verdict in texts[fmt], fmt


def test_one_healthy_file_is_called_so(folders: Mapping[str, tuple[Path, int]]) -> None:
    page = run("inspect", folders["healthy"][0] / "epoch_1.pth", "--format", "html").stdout
    assert "<h1>epoch_1.pth</h1>" in page
    assert page.index('<p class="good">healthy') < page.index("<h2>Tensors</h2>")


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose name and keys are attacks, as far as a file system takes them."""
    name = "a\x1b[31m|<b>&`*_[x](y)\n::error::x%0A,=\udcff.pth"
    state = training_state(1, fill=float("nan"))
    state["model_state_dict"] |= {
        key: torch.full((2,), float("nan"))
        for key in ("=1+1", "</style><script>", "]]>", "\u202e|", "\n::warning::", "@all", "{{x}}")
    }
    return save(tmp_path_factory.mktemp("wild") / name, state)


@pytest.mark.parametrize("command", ["scan", "inspect"])
@pytest.mark.one_in(2)
def test_hostile_names_are_harmless(command: str, wild: Path, tmp_path: Path) -> None:
    codes, texts = in_every_format(tmp_path, command, wild)
    assert codes == dict.fromkeys(MACHINE, 1)
    for fmt, text in texts.items():
        assert "\u202e" not in text, fmt
    for fmt in ("markdown", "junit", "html"):
        text = without_our_script(texts[fmt]) if fmt == "html" else texts[fmt]
        assert "<script" not in text, fmt
    commands = [line for line in texts["github"].splitlines() if line.startswith("::")]
    assert commands
    assert all(line.startswith("::error file=") for line in commands)


def test_inspect_csv_lists_tensors(folders: Mapping[str, tuple[Path, int]]) -> None:
    path = folders["broken"][0] / "checkpoint_epoch_11.pth"
    text = run("inspect", path, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 3
    weight = rows[0]
    assert weight["fqn"] == "model_state_dict.conv.weight"
    assert (weight["dtype"], weight["nan"], weight["lost"]) == ("float32", "12", "no")
    assert json.loads(weight["shape"]) == [4, 3]
    assert json.loads(weight["first_bad_index"]) == [0, 0]
    assert (weight["min"], weight["max"]) == ("", "")
    tracked = rows[2]
    assert (tracked["shape"], tracked["max"]) == ("[]", "11")


def test_inspect_jsonl_lists_tensors(folders: Mapping[str, tuple[Path, int]]) -> None:
    path = folders["broken"][0] / "checkpoint_epoch_11.pth"
    head, *tensors = map(json.loads, run("inspect", path, "--format", "jsonl").stdout.splitlines())
    whole = run("inspect", path, "--format", "json").json
    assert head.pop("type") == "checkpoint"
    assert head["scalars"] == whole["scalars"]
    assert {key: head[key] for key in whole["checkpoint"]} == whole["checkpoint"]
    assert [tensor.pop("type") for tensor in tensors] == ["tensor"] * 3
    assert tensors == whole["tensors"]


def test_inspect_markdown_lists_tensors(folders: Mapping[str, tuple[Path, int]]) -> None:
    path = folders["broken"][0] / "checkpoint_epoch_11.pth"
    text = run("inspect", path, "--format", "markdown").stdout
    row = next(line for line in text.splitlines() if "conv.weight" in line and line[0] == "|")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        *(r"<code>model\_state\_dict.conv.weight</code>", "float32", "4×3"),
        *("–", "–", "12", "", r"\[0, 0\]"),
    ]


def test_inspect_markdown_takes_all_when_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {f"w{n}": torch.ones(1) for n in range(120)})
    short = run("inspect", path, "--format", "markdown").stdout
    assert short.count("float32") == 100
    assert "… and 20 more tensors" in short
    assert run("inspect", path, "--format", "markdown", "--all").stdout.count("float32") == 120


def test_the_summary_of_a_job_is_appended(
    folders: Mapping[str, tuple[Path, int]], tmp_path: Path
) -> None:
    folder, _ = folders["broken"]
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    outcome = run("scan", folder, "--format", "github", env=env)
    assert outcome.code == 1
    assert "::error file=" in outcome.stdout
    expected = run("scan", folder, "--format", "markdown", env=env).stdout
    assert summary.read_text(encoding="utf-8") == "before\n" + expected


def test_a_summary_that_cannot_be_written_is_a_note(
    folders: Mapping[str, tuple[Path, int]], tmp_path: Path
) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path)}
    outcome = run("scan", folders["broken"][0], "--format", "github", env=env)
    assert outcome.code == 1
    assert "the summary of the job was not written" in outcome.stderr
    assert outcome.stdout.splitlines()[-1].startswith("ckptdoctor: 5 checkpoints")


def test_nothing_slow_is_imported(folders: Mapping[str, tuple[Path, int]], tmp_path: Path) -> None:
    """Neither torch nor rich for any of them, and each library for its own format only."""
    code = (
        "import sys, json; from ckptdoctor.__main__ import run\n"
        "slow = {'torch', 'rich', 'jinja2', 'junitparser'}\n"
        "target, formats, folder = sys.argv[1:]\n"
        "print(json.dumps({fmt: [run(['scan', folder, '-f', fmt, '-o', target])]"
        " and sorted(slow & set(sys.modules)) for fmt in formats.split()}))"
    )
    order = "json jsonl csv markdown sarif github html junit"
    imported = run(tmp_path / "out", order, folders["healthy"][0], code=code).json
    assert imported == {
        **{fmt: [] for fmt in order.split()[:6]},
        "html": ["jinja2"],
        "junit": ["jinja2", "junitparser"],
    }


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, of which one ends in NaN; the other's name is an attack."""
    root = tmp_path_factory.mktemp("several")
    odd = "b\x1b[31m|<b>&`*_[x](y)\n::error::x%0A,=\u202e{{x}}]]>"
    for name in ("plain", odd):
        (root / name).mkdir()
    for epoch in (1, 2, 3):
        best = 0.5 + epoch / 100
        save(root / "plain" / f"epoch_{epoch}.pth", training_state(epoch, best=best))
        fill = float("nan") if epoch == 3 else epoch / 10
        save(root / odd / f"epoch_{epoch}.pth", training_state(epoch, best=best, fill=fill))
    return root


def test_every_format_tells_runs_apart(several: Path, tmp_path: Path) -> None:
    codes, texts = in_every_format(tmp_path, "scan", several)
    assert codes == dict.fromkeys(MACHINE, 1)
    content = json.loads(texts["json"])
    assert content["last_good"] is None
    assert {Path(run["last_good"]["path"]).name for run in content["runs"]} == {
        "epoch_2.pth",
        "epoch_3.pth",
    }
    for fmt, text in texts.items():
        assert "plain" in text, fmt
        assert "\u202e" not in text, fmt
    for fmt in ("junit", "html"):
        assert "<b>&" not in texts[fmt], fmt
    assert "<b>&" not in "".join(texts["markdown"].split("```")[::2])  # not in a code block
    commands = [line for line in texts["github"].splitlines() if line.startswith("::")]
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in commands)
    shown = run("scan", several)
    assert shown.code == 1
    assert not ANSI.search(shown.stdout)
    assert shown.stdout.count("Last good:") == 2
    assert shown.stdout.count("Next:") == 1


def test_the_next_command_of_a_run_names_it(several: Path) -> None:
    (command,) = filter(
        None, (one["next"] for one in run("scan", several, "-f", "json").json["runs"])
    )
    assert command.startswith("ckptdoctor plan ")
    assert "--run" in command
