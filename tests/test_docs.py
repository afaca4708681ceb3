"""The pages tell what the program does."""

from __future__ import annotations

import re

import pytest

from ckptdoctor.layouts.registry import LAYOUTS
from tests.docs import COMMANDS, DOCS, pages

ROOT = DOCS.parent


@pytest.mark.slow
def test_generated_pages_are_up_to_date() -> None:
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m tests.docs"


def test_links_in_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_has_its_place_on_the_site() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    trees = "".join(re.findall(r"```{toctree}\n(.*?)```", text, re.DOTALL)).splitlines()
    listed = [line for line in trees if line and not line.startswith(":")]
    assert sorted(listed) == sorted({page.stem for page in DOCS.glob("*.md")} - {"index"})


def test_modules_named_in_the_architecture_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text):
        assert (ROOT / "ckptdoctor" / name).exists(), name


def test_the_readme_uses_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"^(?:\$ )?ckptdoctor (\w+)", text, re.MULTILINE))
    assert used
    assert used <= set(COMMANDS)


def test_every_layout_is_described() -> None:
    told = (DOCS / "folders.md").read_text(encoding="utf-8")
    names = {layout.name for layout in LAYOUTS} - {"pointers"}
    assert {name for name in names if f"\n| `{name}` |" not in told} == set()
