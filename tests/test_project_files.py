"""What GitHub, PyPI and contributors read: it parses, it agrees, and it leads somewhere."""

from __future__ import annotations

import inspect
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ckptdoctor
from ckptdoctor.version import __version__
from tests.address import PAGES, PASSAGES, PLACEHOLDER, ROOT, address, is_set, with_address
from tests.release import mistakes

yaml: Any = pytest.importorskip("yaml")

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = [
    path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"
]


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no clone of a repository")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.slow
def test_one_address_stands_everywhere() -> None:
    assert re.fullmatch(r"https://github\.com/[\w.-]+/ckptdoctor", address())
    assert all(url.startswith(address()) for url in project()["urls"].values())
    ours = re.compile(r"(?:github\.com/|uses: )(\w[\w.-]*/ckptdoctor)\b")
    name = "/".join(address().split("/")[-2:])
    for path in tracked():
        if path.is_file() and path.suffix != ".svg" and not path.is_relative_to(ROOT / "tests"):
            found = set(ours.findall(path.read_text(encoding="utf-8", errors="replace")))
            assert found <= {name}, path
            if not is_set(address()):
                assert not found or path.name == "pyproject.toml", path


def test_no_page_has_a_line_that_cannot_work() -> None:
    """Without an address a reader gets what works without one; with one, the short lines."""
    url = "https://github.com/somebody/ckptdoctor"
    used = dict.fromkeys(PASSAGES, 0)
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        bare = with_address(text, f"https://github.com/{PLACEHOLDER}/ckptdoctor")
        full = with_address(text, url)
        assert PLACEHOLDER not in bare
        assert "somebody/ckptdoctor" in full
        assert with_address(full, f"https://github.com/{PLACEHOLDER}/ckptdoctor") == bare
        assert with_address(bare, url) == with_address(full, url) == full
        for one in PASSAGES:
            used[one] += bare.count(one.without)
    assert all(used.values())


def test_no_release_is_made_that_does_not_agree() -> None:
    right = {"version": "1.2.3", "changes": "# Changes\n\n## 1.2.3 (2027)\n", "where": "x/me/y"}
    assert [*mistakes("v1.2.3", **right)] == []
    for wrong in ({"version": "1.2.4"}, {"changes": ""}, {"where": "https://x/OWNER/y"}):
        assert [*mistakes("v1.2.3", **(right | wrong))]


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in project()
    literal = re.compile(rf"""["']{re.escape(__version__)}["']""")
    places = [
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if path.suffix in (".py", ".toml", ".yml")
        and path.is_file()
        and not path.is_relative_to(ROOT / "tests")
        and literal.search(path.read_text(encoding="utf-8"))
    ]
    assert places == ["ckptdoctor/version.py"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_runs_what_is_there(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}).keys() <= {"id-token"}, name
        assert "timeout-minutes" in job or name == "publish"
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[\w./-]+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        script = step.get("run", "")
        assert "${{" not in script  # a branch may be called anything
        for file in re.findall(r"(?:^|\s)((?:\.ci|tests|docs)/[\w./]*)", script):
            assert (ROOT / file).exists(), file
        for module in re.findall(r"-m (tests\.\w+)", script):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_every_python_that_is_promised_is_tried() -> None:
    promised = {
        found[1] for one in project()["classifiers"] if (found := re.search(r":: (3\.\d+)$", one))
    }
    fast = load(GITHUB / "workflows" / "tests.yml")["jobs"]["fast"]["strategy"]["matrix"]
    assert set(fast["python"]) == promised
    assert min(promised, key=lambda one: int(one[2:])) == project()["requires-python"][2:]


def test_a_release_needs_no_token_and_is_built_once() -> None:
    jobs = load(GITHUB / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    text = (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "password" not in text
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_what_can_be_given(path: Path) -> None:
    form = load(path)
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    assert {"name", "description", "body"} <= form.keys()
    assert len({one["id"] for one in fields}) == len(fields)
    assert any(one.get("validations", {}).get("required") for one in fields)
    assert not [one for one in fields if "upload" in one["type"]]  # no checkpoint is needed


def test_dependabot_looks_at_the_actions_and_at_python() -> None:
    updates = load(GITHUB / "dependabot.yml")["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"github-actions", "pip"}


def test_links_in_the_pages_of_github_lead_somewhere() -> None:
    for page in GITHUB.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for name in re.findall(r"docs/[\w-]+\.md", text):
            assert (ROOT / name).exists(), name


def test_every_public_function_and_error_stands_in_the_reference() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:function|exception):: ckptdoctor\.(\w+)", text))
    public = {name: getattr(ckptdoctor, name) for name in ckptdoctor.__all__}
    functions = {name for name, what in public.items() if inspect.isfunction(what)}
    errors = {name for name, what in public.items() if _is_error(what)}
    assert shown == functions | errors


def _is_error(what: object) -> bool:
    return isinstance(what, type) and issubclass(what, Exception)
