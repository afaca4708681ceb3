"""The address of the repository: it is set in pyproject.toml, and all that names it agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACEHOLDER = "OWNER"
NAMES_IT = (
    ROOT / "README.md",
    ROOT / "pyproject.toml",
    ROOT / "docs" / "ci.md",
    ROOT / "docs" / "notebooks.md",
    ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml",
)
"""The files that the address stands in."""

MENTION = re.compile(r"(?P<before>github\.com/|uses: )(?P<owner>[\w.-]+)/(?P<name>ckptdoctor)\b")


def address() -> str:
    """``https://github.com/OWNER/ckptdoctor`` until somebody sets it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        urls = tomllib.load(file)["project"]["urls"]
    return str(urls["Repository"])


def with_address(text: str) -> str:
    """The text with the address that is set."""
    owner, name = address().split("/")[-2:]
    return MENTION.sub(lambda found: f"{found['before']}{owner}/{name}", text)
