"""A rule and a layout of another package: found, shown, and never a crash."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.cli.support import Outcome, run

EXAMPLE = Path(__file__).parent / "example"


def installed(site: Path, source: Path) -> None:
    """What an installer leaves of a package: its modules, and what its pyproject.toml says."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    for folder in source.iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            shutil.copytree(folder, site / folder.name)
    about = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    facts = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(facts)
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""]
    (about / "entry_points.txt").write_text("\n".join(lines))


def made(tmp_path: Path, modules: dict[str, str], rules: str = "", layouts: str = "") -> Path:
    """A site with a package of these modules, its entry points, and nothing else."""
    source, site = tmp_path / "source", tmp_path / "lib" / "site-packages"
    (source / "other").mkdir(parents=True)
    (source / "other" / "__init__.py").touch()
    for name, text in modules.items():
        (source / "other" / f"{name}.py").write_text(text)
    points = [f'[project.entry-points."ckptdoctor.rules"]\nx = "{rules}"\n'] if rules else []
    points += [f'[project.entry-points."ckptdoctor.layouts"]\nx = "{layouts}"\n'] if layouts else []
    head = '[project]\nname = "other"\nversion = "2.3"\n'
    (source / "pyproject.toml").write_text(head + "".join(points))
    installed(site, source)
    return site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages with the example in it."""
    installed(tmp_path / "lib" / "site-packages", EXAMPLE)
    return tmp_path / "lib" / "site-packages"


def asked(site: Path, *words: str | Path, **env: str) -> Outcome:
    return run(*words, env={"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(site.parent), **env})


def checkpoint(folder: Path, rate: float = 0.5) -> Path:
    folder.mkdir()
    state = {"model_state_dict": {"w": torch.rand(8, 8)}, "epoch": 3, "lr": rate}
    return save(folder / "net_epoch_3.pth", state)


def test_a_rule_of_another_package_speaks_as_ours_do(tmp_path: Path, site: Path) -> None:
    path = checkpoint(tmp_path / "run")
    said = asked(site, "scan", path, "--format", "json")
    assert said.code == 0  # a warning
    (row,) = said.json["checkpoints"]
    (found,) = (one for one in row["findings"] if one["code"] == "NIGHT001")
    assert found["message"] == "the rate is 0.5, above 0.1"
    assert found["remedy"] == "Start again with `ckptdoctor restore --set-lr 0.1`."
    assert row["verdict"] == "suspect"
    shown = asked(site, "scan", path, "-v", "--no-cache", "--fail-on", "warning")
    assert shown.code == 1
    assert "NIGHT001 large rate" in shown.stdout
    sarif = asked(site, "scan", path, "-f", "sarif").json
    (rule,) = (r for r in sarif["runs"][0]["tool"]["driver"]["rules"] if r["id"] == "NIGHT001")
    assert rule["name"] == "LargeRate"
    explained = asked(site, "explain", "NIGHT001").stdout
    assert "Learning rate above the team's limit" in explained


@pytest.mark.slow
def test_what_was_remembered_without_it_is_not_believed(tmp_path: Path, site: Path) -> None:
    path = checkpoint(tmp_path / "run")
    cache = {"XDG_CACHE_HOME": str(site.parent)}
    for _ in range(2):  # the second time from what is remembered
        assert "NIGHT001" not in run("scan", path.parent, "-v", env=cache).stdout
    for _ in range(2):
        assert "NIGHT001" in asked(site, "scan", path.parent, "-v").stdout
    begun = run("scan", path.parent, "-v", env={"PYTHONPATH": str(site)}, anew=True)
    assert "NIGHT001" in begun.stdout, "by a Python that starts with it, too"
    assert "NIGHT001" not in run("scan", path.parent, "-v", env=cache).stdout


def test_it_can_be_left_out(tmp_path: Path, site: Path) -> None:
    path = checkpoint(tmp_path / "run")
    assert "NIGHT001" not in asked(site, "scan", path, "-v", CKPTDOCTOR_NO_PLUGINS="1").stdout


@pytest.mark.slow
def test_a_layout_of_another_package_says_which_files_belong_together(
    tmp_path: Path, site: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for shift in (6, 7, 8):
        save(folder / f"shift_{shift}.weights", {"w": torch.rand(4, 4)})
        if shift != 8:
            save(folder / f"shift_{shift}.rest", {"step": shift, "exp_avg": torch.rand(4, 4)})
    said = asked(site, "scan", folder, "--format", "json").json
    rows = {Path(row["path"]).name: row for row in said["checkpoints"]}
    assert sorted(rows) == [f"shift_{n}.weights" for n in (6, 7, 8)]
    assert [part["role"] for part in rows["shift_7.weights"]["parts"]] == ["model", "optimizer"]
    assert [one["code"] for one in rows["shift_8.weights"]["findings"]] == ["CD111"]
    assert len(run("scan", folder, "--format", "json").json["checkpoints"]) == 5  # without it


BAD_RULES = {
    "it cannot be imported": ("import nothing_of_this_name\n", "nothing_of_this_name"),
    "it ends the program": ("raise SystemExit(9)\n", "SystemExit"),
    "it is not there": ("", "no attribute 'Mine'"),
    "it is no class": ("Mine = 7\n", "is no rule"),
    "it takes one of our codes": (
        (
            "from ckptdoctor.rules.weights import NanInWeights\n"
            "class Mine(NanInWeights):\n    'Mine.'\n"
        ),
        "take two to eight capitals",
    ),
    "it has no label": (
        (
            "from ckptdoctor import Severity\nfrom ckptdoctor.rules import Rule\n"
            "class Mine(Rule):\n    'Mine.'\n    code, severity = 'ABC001', Severity.INFO\n"
        ),
        "has no label",
    ),
    "it fails": (
        (
            "from ckptdoctor import Severity\nfrom ckptdoctor.rules import Rule\n"
            "class Mine(Rule):\n    'Mine.'\n    label = 'mine'\n"
            "    code, severity = 'ABC001', Severity.INFO\n"
            "    def check(self, case):\n        raise ZeroDivisionError('oh')\n"
        ),
        "ZeroDivisionError: oh",
    ),
}


@pytest.mark.parametrize("what", BAD_RULES)
@pytest.mark.one_in(6)
def test_a_rule_that_is_bad_is_told_and_the_others_still_run(tmp_path: Path, what: str) -> None:
    text, why = BAD_RULES[what]
    site = made(tmp_path, {"rules": text}, rules="other.rules:Mine")
    path = checkpoint(tmp_path / "run")
    said = asked(site, "scan", path, "--format", "json")
    assert said.code == 70
    assert why in said.stderr
    assert "other 2.3" in said.stderr
    assert said.stderr.count("please report this") == 1
    (error,) = said.json["errors"]
    assert "other 2.3" in error["rule"]
    assert said.json["checkpoints"][0]["verdict"] == "healthy"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LAYOUT = 3\n", "is no ckptdoctor.layouts.layout.Layout"),
        (
            (
                "from ckptdoctor.layouts.layout import Layout\n"
                "def claim(folder):\n    raise ZeroDivisionError('oh')\n    yield\n"
                "LAYOUT = Layout(name='other', claim=claim)\n"
            ),
            "ZeroDivisionError: oh",
        ),
    ],
)
@pytest.mark.one_in(2)
def test_a_layout_that_is_bad_is_told_and_ours_still_claim(
    tmp_path: Path, text: str, why: str
) -> None:
    site = made(tmp_path, {"layout": text}, layouts="other.layout:LAYOUT")
    path = checkpoint(tmp_path / "run")
    said = asked(site, "scan", path.parent, "--format", "json")
    assert said.code == 70
    assert why in said.stderr
    assert "a layout of the package other 2.3" in said.stderr
    assert said.json["checkpoints"][0]["verdict"] == "healthy"


@pytest.mark.slow
def test_what_lies_in_the_current_folder_is_never_imported(tmp_path: Path) -> None:
    installed(tmp_path, EXAMPLE)  # a folder that somebody downloaded
    (tmp_path / "night_shift" / "rules.py").write_text("raise SystemExit(9)\n")
    path = checkpoint(tmp_path / "run")
    for words in (("scan", path), ("scan", path.parent)):
        said = run(*words, "-v", cwd=tmp_path, anew=True, env={"PYTHONPATH": str(tmp_path)})
        assert said.code == 0
        assert "NIGHT001" not in said.stdout
        assert "night" not in said.stderr


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "night_shift/rules.py", "night_shift/layout.py"]
)
def test_the_page_shows_the_example_as_it_is(name: str) -> None:
    page = (EXAMPLE.parent.parent.parent / "docs" / "plugins.md").read_text()
    text = (EXAMPLE / name).read_text()
    shown = text.partition("\n\n")[2] if name.endswith(".toml") else text  # without the builder
    assert f"\n{shown.rstrip()}\n```\n" in page


@pytest.mark.slow
def test_without_any_nothing_is_imported_for_them(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "run")
    code = (
        "import sys; before = set(sys.modules); from ckptdoctor.__main__ import run\n"
        "run(['scan', sys.argv[1]])\n"
        "print('importlib.metadata' in set(sys.modules) - before, file=sys.stderr)"
    )
    said = run(path, code=code, env={"COVERAGE_PROCESS_CONFIG": ""})
    assert said.stderr.splitlines()[-1] == "False"
    assert "site-packages" in " ".join(sys.path)
