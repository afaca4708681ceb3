"""The pages that are generated: commands from the command line, rules from their docstrings.

python -m tests.docs     writes them anew; a test fails when they differ
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

from ckptdoctor.rules import ALL_RULES, FAMILIES, Rule

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS = (
    *("scan", "inspect", "diff", "rank", "history", "restore", "plan", "watch", "explain", "gpu"),
    "demo",
)


def commands_page() -> str:
    """``docs/commands.md``."""
    parts = ["# Commands\n\nGenerated from the program's own help by `python -m tests.docs`.\n"]
    for command in ("", *COMMANDS):
        title = f"ckptdoctor {command}".strip()
        parts.append(f"## {title}\n\n```text\n{_help(command)}\n```\n")
    return "\n".join(parts)


def _help(command: str) -> str:
    arguments = [sys.executable, "-m", "ckptdoctor", *([command] if command else []), "--help"]
    environment = os.environ | {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    result = subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment)
    return result.stdout.strip()


def rules_page() -> str:
    """``docs/rules.md``."""
    parts = ["# Findings\n\nGenerated from the rules by `python -m tests.docs`.\n"]
    parts.append("| code | severity | finding |\n|---|---|---|")
    parts.extend(
        f"| [{rule.code}](#{rule.code.lower()}) | {rule.severity.label} | {rule.title()} |"
        for rule in ALL_RULES
    )
    family = ""
    for rule in ALL_RULES:
        if rule.code[:3] != family:
            family = rule.code[:3]
            parts.append(f"\n## {FAMILIES[family]}")
        parts.append(f"\n### {rule.code}\n\n{_text(rule)}")
    return "\n".join(parts) + "\n"


def _text(rule: type[Rule]) -> str:
    title, _, body = inspect.cleandoc(rule.__doc__ or "").partition("\n")
    return f"**{title}**\n{body}".replace("``", "`").rstrip()


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {DOCS / "commands.md": commands_page(), DOCS / "rules.md": rules_page()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
