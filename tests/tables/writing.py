"""Tables as Python that ruff and mypy pass."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from tests.tables.kinds import Use

__all__ = ["module_text"]

_WIDTH = 94


def module_text(title: str, names: Mapping[Use, Mapping[str, set[str]]]) -> str:
    """The source of one module of tables."""
    held = [use for use in Use if names.get(use)]
    exported = ", ".join(f'"{use.value}"' for use in held)
    parts = [
        f'"""{title}\n\nWritten by ``python -m tests.tables``: change what that collects.\n"""\n',
        "from __future__ import annotations\n\nfrom collections.abc import Mapping\n",
        f"__all__ = [{exported}]\n",
        *(_constant(use.value, names[use]) for use in held),
    ]
    return "\n".join(parts)


def _constant(name: str, modules: Mapping[str, set[str]]) -> str:
    texts = {module: " ".join(sorted(modules[module])) for module in sorted(modules)}
    lines = [f"{name}: Mapping[str, str] = {{"]
    for module, text in texts.items():
        one = f'    "{module}": "{text}",'
        if len(one) <= _WIDTH + 6:
            lines.append(one)
        else:
            lines.append(f'    "{module}": """\n{_fill(text, 8)}\n    """,')
    return "\n".join([*lines, "}\n"])


def _fill(text: str, indent: int) -> str:
    filled = textwrap.fill(
        text, _WIDTH + 4 - indent, break_long_words=False, break_on_hyphens=False
    )
    return textwrap.indent(filled, " " * indent)
