"""Settings, as a user meets them: which value counts, where it comes from, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.settings.keys import KEYS
from tests.builders import save
from tests.cli.support import Outcome, make_run, run, training_state

ROOT = Path(__file__).parents[2]
QUIET = {"CKPTDOCTOR_NO_CACHE": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a broken run in it."""
    project = tmp_path_factory.mktemp("project")
    (project / ".git").mkdir()
    make_run(project / "checkpoints")
    return project


def scan(folder: Path, *arguments: str, **env: str) -> Outcome:
    return run("scan", *arguments, cwd=folder, env=QUIET | env)


def write(project: Path, text: str) -> Path:
    file = project / "ckptdoctor.toml"
    file.write_text(text)
    return file


@pytest.fixture(autouse=True)
def _clean(project: Path) -> Any:
    yield
    for name in ("ckptdoctor.toml", "b.json"):
        (project / name).unlink(missing_ok=True)


def test_what_is_ignored_is_said_and_the_verdict_stays(project: Path) -> None:
    write(project, 'ignore = ["CD2", "CD4"]\n[severity]\nCD101 = "warning"\n')
    told = scan(project, "-f", "json")
    assert told.code == 0
    assert told.json["ignored"]["codes"]["CD201"] == 1
    assert told.json["settings"] == {"file": "ckptdoctor.toml", "lowered": {"CD101": 1}}
    assert told.json["summary"]["corrupt"] == 1
    assert told.json["last_good"]["epoch"] == 9
    broken = next(row for row in told.json["checkpoints"] if row["verdict"] == "corrupt")
    assert [one["code"] for one in broken["ignored"]][:1] == ["CD201"]
    assert broken["ignored"][0]["by"] == "ckptdoctor.toml"
    table = scan(project)
    assert "(ignored by ckptdoctor.toml)" in table.stdout
    assert "1 corrupt" in table.stdout


def test_an_ignored_code_lets_restore_write_nothing(project: Path, tmp_path: Path) -> None:
    write(project, 'ignore = ["CD"]\n')
    told = run(
        *("restore", "--from", "checkpoints/checkpoint_epoch_11.pth"),
        *("-o", tmp_path / "out.pth"),
        cwd=project,
        env=QUIET,
    )
    assert told.code == 4
    assert not (tmp_path / "out.pth").exists()


def test_command_line_before_environment_before_file(project: Path) -> None:
    write(project, 'fail-on = "warning"\nignore = ["CD2"]\njobs = 1\n')
    env = {"CKPTDOCTOR_FAIL_ON": "never", "CKPTDOCTOR_SEVERITY": "CD201=info"}
    told = run(
        *("config", "checkpoints", "--ignore", "cd201", "--format", "json"),
        cwd=project,
        env=QUIET | env,
    )
    values = told.json["settings"]
    assert values.keys() == {key.name for key in KEYS}
    assert {
        name: (one["value"], one["where"])
        for name, one in values.items()
        if name in ("fail-on", "ignore", "jobs", "severity", "mode")
    } == {
        "fail-on": ("never", "CKPTDOCTOR_FAIL_ON"),
        "ignore": (["cd201"], "--ignore"),
        "jobs": (1, "ckptdoctor.toml"),
        "severity": ({"CD201": "info"}, "CKPTDOCTOR_SEVERITY"),
        "mode": (None, None),
    }
    assert scan(project, "-q", **env).code == 0
    assert scan(project, "-q", "--fail-on", "error", "--ignore", "CD106", **env).code == 1
    shown = run("config", cwd=project, env=QUIET).stdout
    assert "file      ckptdoctor.toml" in shown


def test_values_of_a_file_are_those_of_the_options(project: Path) -> None:
    write(project, 'metric = "best_iou"\nmode = "min"\nformat = "json"\nquiet = true\n')
    told = scan(project)
    assert "--mode min" in told.json["next"]
    ranked = run("rank", cwd=project, env=QUIET)
    assert ranked.stdout.startswith(" ") or "#" in ranked.stdout or "checkpoint" in ranked.stdout
    told = scan(project, "-f", "csv")
    assert told.stdout.startswith("path,")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ignor = ["CD2"]', "ckptdoctor.toml: ignor is no setting; did you mean ignore?"),
        ('fail_on = "error"', "did you mean fail-on?"),
        ('fail-on = "eror"', "did you mean error?"),
        ("jobs = true", "jobs: takes a number from 1 to 256, not true"),
        ('ignore = ["CD999"]', "ckptdoctor.toml: 'CD999' is no code"),
        ("ignore = [", "ckptdoctor.toml: no TOML:"),
        ("mode = '\x1b[2J'", "no TOML"),
        ('mode = "\\u001b[2J"', "mode: takes max or min"),
        ('baseline = "nowhere.json"', "nowhere.json: no such baseline"),
    ],
)
def test_a_mistake_is_said_where_it_stands(project: Path, text: str, said: str) -> None:
    write(project, text)
    told = scan(project)
    assert told.code == 2
    assert said in told.stderr
    assert told.stdout == ""
    assert "\x1b" not in told.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CKPTDOCTOR_FAILON", "error", "did you mean CKPTDOCTOR_FAIL_ON?"),
        ("CKPTDOCTOR_JOBS", "many", "CKPTDOCTOR_JOBS: takes a number"),
        ("CKPTDOCTOR_IGNORE", "CD2,XX", "CKPTDOCTOR_IGNORE: 'XX' is no code"),
        ("CKPTDOCTOR_CONFIG", "nowhere.toml", "nowhere.toml: no settings can be read"),
    ],
)
def test_so_is_one_in_the_environment(project: Path, name: str, value: str, said: str) -> None:
    told = scan(project, **{name: value})
    assert told.code == 2
    assert said in told.stderr


def test_a_strangers_folder_hides_nothing(project: Path, tmp_path: Path) -> None:
    stranger = make_run(tmp_path / "model")
    (stranger / "ckptdoctor.toml").write_text('ignore = ["CD"]\nquiet = true\n')
    for paths in ((), (".",), ("checkpoint_epoch_11.pth",), ("*.pth",)):
        told = scan(stranger, *paths, "-f", "json")
        assert told.code == 1, paths
        assert told.json["ignored"]["count"] == 0
        assert any("stranger" in note for note in told.json["notes"])
    told = scan(stranger, "--config", "ckptdoctor.toml", "-f", "json")
    assert told.code == 0  # the user says that it is theirs
    assert told.json["ignored"]["count"] > 0


def test_a_baseline_lets_only_new_findings_fail(project: Path) -> None:
    late = project / "checkpoints" / "checkpoint_epoch_12.pth"
    assert scan(project, "-q").code == 1
    written = scan(project, "--write-baseline", "b.json", "-q")
    assert written.code == 0
    assert "findings are accepted" in written.stderr
    told = scan(project, "--baseline", "b.json", "-f", "json")
    assert told.code == 0
    assert told.json["ignored"]["why"]["accepted"] == told.json["ignored"]["count"] > 0
    save(late, training_state(12, fill=float("inf")))
    try:
        told = scan(project, "--baseline", "b.json", "-f", "json")
        assert told.code == 1
        new = next(row for row in told.json["checkpoints"] if row["path"].endswith("12.pth"))
        assert [one["code"] for one in new["findings"]][:1] == ["CD202"]
    finally:
        late.unlink()
    refused = scan(project, "--write-baseline", "checkpoints/download.pth")
    assert refused.code == 4
    assert "<html>" in (project / "checkpoints" / "download.pth").read_text()


def test_an_answer_is_not_given_again_once_the_settings_changed(
    project: Path, tmp_path: Path
) -> None:
    cache = {"CKPTDOCTOR_CACHE_DIR": str(tmp_path / "cache")}
    first = run("scan", "-f", "json", cwd=project, env=cache)
    assert first.code == 1
    write(project, 'ignore = ["CD2", "CD4", "CD101"]\n')
    again = run("scan", "-f", "json", cwd=project, env=cache)
    assert again.json["ignored"]["count"] > 0
    assert json.loads(first.stdout)["ignored"]["count"] == 0


def test_history_and_rank_count_as_scan_does(project: Path) -> None:
    told = run("history", "--ignore", "CD4", "-f", "json", cwd=project, env=QUIET)
    assert told.json["findings"] == []
    told = run("rank", "--ignore", "CD", "-f", "json", cwd=project, env=QUIET)
    assert told.code == 0
    assert told.json["ignored"]["count"] > 0
    verdicts = {Path(one["path"]).name: one["verdict"] for one in told.json["ranking"]}
    assert verdicts["checkpoint_epoch_11.pth"] == "corrupt"
    assert told.json["ranking"][0]["path"].endswith("checkpoint_epoch_9.pth")
