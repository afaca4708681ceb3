"""The pages that are generated: commands from the command line, rules from their docstrings, and
in ``docs/history.md`` the table of where logs lie.
"""The pages that are generated: commands from the command line, rules, names of metrics.

python -m tests.docs     writes them anew; a test fails when they differ
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

from ckptdoctor.rules import ALL_RULES, FAMILIES, Rule
from ckptdoctor.runs.logs.find import NAMES
from ckptdoctor.runs.logs.nested import TRACKERS, Takes
from tests.metric_docs import metrics_page

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


_PLACES = "<!-- places: written by python -m tests.docs -->\n"
_TAKES = {
    Takes.NONE: "the one that names the run, or the only one",
    Takes.LAST: "the one that names the run, or the last",
    Takes.ALL: "all, one after the other",
}


def history_page() -> str:
    """``docs/history.md``, with the table of the places of logs as the code has them."""
    text = (DOCS / "history.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(_PLACES)
    _, end, after = rest.partition("<!-- end -->")
    rows = ["| files | written by | taken |", "|---|---|---|"]
    for kind in NAMES:
        patterns = ", ".join(f"`{pattern}`" for pattern in kind.patterns)
        rows.append(f"| {patterns} | {kind.what} | {'yes' if kind.sure else 'by their content'} |")
    for what in dict.fromkeys(tracker.what for tracker in TRACKERS):
        own = [tracker for tracker in TRACKERS if tracker.what == what]
        places = ", ".join(f"`{tracker.folder}/`" for tracker in own)
        files = ", ".join(f"`{name}`" for name in dict.fromkeys(f for t in own for f in t.files))
        rows.append(f"| {files} in {places} | {what} | of several: {_TAKES[own[0].takes]} |")
    return before + _PLACES + "\n".join(rows) + "\n" + end + after


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {
        DOCS / "commands.md": commands_page(),
        DOCS / "rules.md": rules_page(),
        DOCS / "history.md": history_page(),
        DOCS / "metrics.md": metrics_page(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
