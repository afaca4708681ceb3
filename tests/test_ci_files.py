"""What CI systems read: the hooks of pre-commit, the GitHub action, and the page about them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import save
from tests.cli.support import make_run, training_state

yaml: Any = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
HOOKS = ROOT / ".pre-commit-hooks.yaml"
ACTION = ROOT / ".github" / "actions" / "scan" / "action.yml"
PAGE = ROOT / "docs" / "ci.md"

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def environment(**more: str) -> dict[str, str]:
    """Ours, with the ckptdoctor under test first on PATH."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("FORCE_COLOR", "CKPTDOCTOR_DIR") and not name.startswith(("GIT_", "INPUT_"))
    }
    scripts = str(Path(sys.executable).parent)
    clean["PATH"] = os.pathsep.join([scripts, clean.get("PATH", "")])
    return clean | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with sound fixtures and broken ones."""
    sound, broken = tmp_path / "tests" / "fixtures", tmp_path / "tests" / "broken"
    sound.mkdir(parents=True)
    broken.mkdir()
    for epoch in (1, 2):
        state = training_state(epoch, best=0.5 + epoch / 10)
        state["model_state_dict"]["conv.weight"] = torch.randn(4, 3)
        save(sound / f"epoch_{epoch}.pth", state)
    save(broken / "nan.pth", training_state(3, fill=float("nan")))
    whole = (sound / "epoch_1.pth").read_bytes()
    (broken / "cut.pth").write_bytes(whole[: len(whole) // 2])
    return tmp_path


# -- pre-commit ----------------------------------------------------------------------------------


def hooks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    return found


def test_there_is_a_hook_that_installs_and_one_that_does_not() -> None:
    assert {hook["id"]: hook["language"] for hook in hooks()} == {
        "ckptdoctor-scan": "python",
        "ckptdoctor-scan-system": "system",
    }
    for hook in hooks():
        assert hook["require_serial"]
        assert hook["name"]
        assert hook["description"]


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_a_hook_takes_checkpoints_and_leaves_other_files(hook: dict[str, Any]) -> None:
    pattern = re.compile(hook["files"])
    taken = (
        "a.pth b/c.pt d.ckpt e.pth.tar f.safetensors g.jit pytorch_model.bin x/adapter_model.bin"
    )
    assert all(pattern.search(name) for name in taken.split())
    left = "a.py firmware.bin pth notes.pth.md model.onnx a.tar"
    assert not any(pattern.search(name) for name in left.split())


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_the_entry_of_a_hook_runs(hook: dict[str, Any], folder: Path) -> None:
    sound = folder / "tests" / "fixtures"
    (sound / "epoch_1.pth").rename(sound / "--output=taken.pth")
    command = [*shlex.split(hook["entry"]), *hook["args"]]
    for name, code in (("--output=taken.pth", 0), ("../broken/nan.pth", 1)):
        finished = subprocess.run(
            [*command, name], cwd=sound, env=environment(), capture_output=True, check=False
        )
        assert finished.returncode == code, finished
    assert not (sound / "taken.pth").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pre-commit", path=environment()["PATH"]) is None or not shutil.which("git"),
    reason="pre-commit is not installed",
)
def test_pre_commit_runs_the_system_hook(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(HOOKS, source)
    identity = {
        f"GIT_{who}_{what}": "t@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    known = environment(PRE_COMMIT_HOME=str(tmp_path / "home"), **identity)

    def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env=known, capture_output=True, text=True, check=False, timeout=120
        )

    for repository in (source, folder / "tests"):
        run("git", "init", "--quiet", cwd=repository)
        run("git", "add", "--all", cwd=repository)
    assert run("git", "commit", "--quiet", "-m", "hooks", cwd=source).returncode == 0
    command = ("pre-commit", "try-repo", str(source), "ckptdoctor-scan-system")
    failed = run(*command, "--all-files", cwd=folder / "tests")
    assert failed.returncode == 1, failed
    assert "4 checkpoints" in failed.stdout
    assert "CD201" in failed.stdout
    passed = run(*command, "--files", "fixtures/epoch_1.pth", cwd=folder / "tests")
    assert passed.returncode == 0, passed
    assert "Passed" in passed.stdout


# -- the action ----------------------------------------------------------------------------------


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return found


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = action()["runs"]["steps"]
    return found


@pytest.mark.skipif(
    shutil.which("check-jsonschema", path=environment()["PATH"]) is None,
    reason="check-jsonschema is not installed",
)
def test_the_action_is_one() -> None:
    command = ["check-jsonschema", "--builtin-schema", "vendor.github-actions", str(ACTION)]
    finished = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_no_input_is_part_of_a_script() -> None:
    for step in steps():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
        for value in step["env"].values():
            assert re.fullmatch(r"\$\{\{ (inputs\.[\w-]+|github\.action_path) \}\}", value)


def test_every_input_is_used_and_described() -> None:
    used = {
        name
        for step in steps()
        for text in (*step["env"].values(), step.get("if", ""))
        for name in re.findall(r"inputs\.([\w-]+)", text)
    }
    assert used == set(action()["inputs"])
    assert all(given["description"] for given in action()["inputs"].values())
    described = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in described for name in used)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step of the action left behind."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str


def run_step(number: int, cwd: Path, **inputs: str) -> Step:
    """Run the script of a step as a runner does, with its inputs and files."""
    step = steps()[number]
    defaults = {name: str(given.get("default", "")) for name, given in action()["inputs"].items()}
    values = {f"inputs.{name}": text for name, text in defaults.items()}
    values |= {f"inputs.{name.replace('_', '-')}": text for name, text in inputs.items()}
    values["github.action_path"] = str(ACTION.parent)
    given = {
        name: values[value.removeprefix("${{ ").removesuffix(" }}")]
        for name, value in step["env"].items()
    }
    files = cwd / "runner"
    files.mkdir()
    for name in ("output", "summary"):
        (files / name).touch()
    (files / "script.sh").write_text(step["run"], encoding="utf-8")
    finished = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(files / "script.sh")],
        cwd=cwd,
        env=environment(
            GITHUB_OUTPUT=str(files / "output"),
            GITHUB_STEP_SUMMARY=str(files / "summary"),
            GITHUB_ACTIONS="true",
            **given,
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=300,
    )
    return Step(
        finished.returncode,
        finished.stdout.decode() + finished.stderr.decode(),
        dict(_outputs((files / "output").read_text(encoding="utf-8", errors="surrogateescape"))),
        (files / "summary").read_text(encoding="utf-8"),
    )


def _outputs(text: str) -> Iterator[tuple[str, str]]:
    """The outputs that a runner finds: ``name=value``, or ``name<<MARK``, lines, ``MARK``."""
    lines = iter(text.split("\n"))
    for line in lines:
        if match := re.fullmatch(r"([\w-]+)<<(.+)", line):
            name, mark = match.groups()
            yield name, "\n".join(iter(lambda: next(lines), mark))
        elif line:
            name, _, value = line.partition("=")
            yield name, value


@needs_bash
@pytest.mark.slow
def test_the_action_passes_and_names_the_last_good(folder: Path) -> None:
    step = run_step(1, folder, paths="tests/fixtures", format="table")
    assert step.code == 0, step.log
    assert step.outputs == {"exit-code": "0", "last-good": "tests/fixtures/epoch_2.pth"}
    assert "2 checkpoints" in step.log


@needs_bash
def test_the_action_fails_on_findings_and_still_has_outputs(folder: Path) -> None:
    paths = "tests/fixtures/*\n\ntests/broken\n"
    step = run_step(1, folder, paths=paths, format="json", output="report.json")
    assert step.code == 1, step.log
    assert step.outputs == {"exit-code": "1", "last-good": ""}, "two runs have one each"
    assert '"schema_version": 1' in (folder / "report.json").read_text()
    assert "schema_version" not in step.log


@needs_bash
@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"fail_on": "never", "paths": "tests/broken"}, 0),
        ({"paths": "gone"}, 3),
        ({"fail_on": "sometimes"}, 2),
        ({"paths": "tests/fixtures", "args": "--jobs\n1\n--quiet"}, 0),
    ],
)
@pytest.mark.one_in(4)
@pytest.mark.slow
def test_the_action_tells_the_exit_code(folder: Path, inputs: dict[str, str], code: int) -> None:
    step = run_step(1, folder, **{"format": "table"} | inputs)
    assert step.code == code, step.log
    assert step.outputs["exit-code"] == str(code)


@needs_bash
@pytest.mark.slow
def test_without_paths_the_action_looks_where_the_command_does(folder: Path) -> None:
    make_run(folder / "checkpoints")
    step = run_step(1, folder, format="table")
    assert step.outputs["last-good"] == "checkpoints/checkpoint_epoch_9.pth"


@needs_bash
@pytest.mark.slow
def test_the_action_makes_annotations_a_summary_and_sarif(folder: Path) -> None:
    step = run_step(1, folder, paths="tests", sarif="found.sarif")
    assert step.code == 1, step.log
    assert re.search(r"^::error .*CD201", step.log, re.MULTILINE)
    assert "nan.pth" in step.summary
    sarif = yaml.safe_load((folder / "found.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    assert "CD201" in {result["ruleId"] for result in sarif["runs"][0]["results"]}


INJECTIONS = ["$(touch owned)", "`touch owned`", '"; touch owned; "', "'; touch owned; '", "-h"]


@needs_bash
@pytest.mark.slow
@pytest.mark.parametrize("text", INJECTIONS)
def test_no_input_runs_anything(folder: Path, text: str) -> None:
    step = run_step(
        1, folder, paths=text, fail_on=text, format=text, output=text, sarif=text, args=text
    )
    assert step.code in (0, 2)  # a usage error, or the help
    assert not (folder / "owned").exists()
    (folder / "runner").rename(folder / "first")
    step = run_step(1, folder, paths=text, format="table", sarif=text)
    assert step.code == 3
    assert not (folder / "owned").exists()


@needs_bash
@pytest.mark.slow
def test_a_file_name_makes_no_output_of_its_own(folder: Path) -> None:
    fixture = folder / "tests" / "fixtures" / "epoch_2.pth"
    name = "epoch_2\nexit-code=0\nowned=yes\nEOF\n.pth"
    fixture.rename(fixture.with_name(name))
    step = run_step(1, folder, paths="tests/fixtures", format="table")
    assert step.outputs == {"exit-code": "0", "last-good": f"tests/fixtures/{name}"}


@needs_bash
@pytest.mark.slow
def test_modules_in_the_repository_are_not_imported(folder: Path) -> None:
    for name in ("ckptdoctor", "torch", "rich", "json", "secrets"):
        (folder / f"{name}.py").write_text("open('owned', 'w')")
    step = run_step(1, folder, paths="tests/fixtures", format="table")
    assert step.code == 0, step.log
    assert not (folder / "owned").exists()


@needs_bash
def test_the_action_installs_from_its_own_repository(folder: Path) -> None:
    pip = folder / "python with a space"
    pip.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" > called\n')
    pip.chmod(0o755)
    step = run_step(0, folder, python=str(pip), pip_args="-c\nmy constraints.txt\n")
    assert step.code == 0, step.log
    called = (folder / "called").read_text().splitlines()
    assert called[:-1] == [
        *("-P", "-m", "pip", "install", "--disable-pip-version-check"),
        *("-c", "my constraints.txt"),
    ]
    assert (Path(called[-1]) / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    assert steps()[0]["if"] == "inputs.install == 'true'"


# -- our own -------------------------------------------------------------------------------------


@needs_bash
def test_a_part_of_ci_that_there_is_not_is_told_before_anything_is_installed() -> None:
    command = ["bash", str(ROOT / ".ci" / "run"), "checks", "lint"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "no part 'lint', but demo tests checks benchmarks others" in finished.stderr


# -- the page ------------------------------------------------------------------------------------


def blocks(mark: str) -> list[str]:
    """The code blocks of the page behind ``<!-- MARK -->``."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", text, re.DOTALL)


@needs_bash
@pytest.mark.parametrize("script", blocks("run: 0"))
@pytest.mark.one_in(4)
def test_the_commands_of_the_page_run(folder: Path, script: str) -> None:
    finished = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environment(), capture_output=True, check=False
    )
    assert finished.returncode == 0, finished


@pytest.mark.slow
def test_the_tests_of_the_page_pass(folder: Path) -> None:
    (example,) = blocks("test")
    (folder / "tests" / "test_checkpoints.py").write_text(example, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    finished = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout
    assert "5 passed" in finished.stdout


def test_the_workflow_of_the_page_uses_inputs_and_outputs_that_exist() -> None:
    (text,) = blocks("workflow")
    (job,) = yaml.safe_load(text)["jobs"].values()
    (ours,) = (step for step in job["steps"] if step.get("id") == "doctor")
    if ours["uses"].startswith("./"):  # while the repository has no address
        (checkout,) = (step for step in job["steps"] if "checkout" in step.get("uses", ""))
        assert checkout["with"]["submodules"] is True
        assert ours["uses"].removeprefix("./ckptdoctor/") == str(ACTION.parent.relative_to(ROOT))
    else:
        assert "/.github/actions/scan@" in ours["uses"]
    assert set(ours["with"]) <= set(action()["inputs"])
    named = set(re.findall(r"steps\.doctor\.outputs\.([\w-]+)", text))
    assert named
    assert named <= set(action()["outputs"])


def test_the_hooks_of_the_page_exist() -> None:
    known = {hook["id"]: hook for hook in hooks()}
    (text,) = blocks("pre-commit")
    (repository,) = yaml.safe_load(text)["repos"]
    (shown,) = repository["hooks"]
    assert shown["id"] in known
    if repository["repo"] == "local":  # then it has to say all that ours says
        described = {
            key: value for key, value in known[shown["id"]].items() if key != "description"
        }
        assert shown | {"name": described["name"]} == described


def test_no_code_block_of_the_page_goes_untried() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tried = sum(len(blocks(mark)) for mark in ("run: 0", "test", "workflow", "pre-commit"))
    assert tried == text.count("```") // 2


@needs_bash
@pytest.mark.parametrize(
    ("settings", "code"),
    [('ignore = ["CD"]\n', 0), ('fail-on = "info"\n[severity]\nCD = "info"\n', 1)],
)
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_the_action_leaves_settings_their_say(folder: Path, settings: str, code: int) -> None:
    (folder / "ckptdoctor.toml").write_text(settings)
    assert run_step(1, folder, paths="tests/broken/nan.pth").code == code
