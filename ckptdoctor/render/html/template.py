"""The templates of the pages, and what all of them are given.

A page brings one script, ``copy.js``, which puts a button beside each command that copies it. The
page's own policy names that script by its hash, so that no browser runs another, whatever a name in
a checkpoint may hold; without it the page is the same, without buttons.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from ckptdoctor.version import __version__

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["coded", "policy", "rendered"]


def policy() -> str:
    """The content security policy of a page: its own styles, its one script, and no network."""
    script = _text("copy.js").rstrip("\n")  # as the page has it
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def coded(text: str) -> Markup:
    """A text, escaped, with what stands between single or double backticks as code."""
    from markupsafe import Markup, escape

    parts = text.replace("``", "`").split("`")
    if len(parts) % 2 == 0:  # one that is not closed is no mark
        parts[-2:] = ["`".join(parts[-2:])]
    marked = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def rendered(name: str, **given: Any) -> str:
    """A template of this folder, filled in; it escapes whatever it is given.

    Args:
        name: its file.
        given: its values.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    environment.filters["coded"] = coded
    template = environment.get_template(name)
    text = template.render(version=__version__, policy=policy(), **given)
    return text.rstrip("\n") + "\n"
