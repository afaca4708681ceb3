"""The one script of a page: it is ours, and the page's own policy lets no browser run another."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from importlib import resources

__all__ = ["without_our_script"]

_SCRIPT = re.compile(r"<script>(.*?)</script>\n", re.DOTALL)
_ALLOWED = re.compile(r"script-src 'sha256-([^']+)';")


def without_our_script(html: str) -> str:
    """The page without its script, which is the one of the package and the only one allowed."""
    (script,) = _SCRIPT.findall(html)
    ours = resources.files("ckptdoctor.render.html").joinpath("copy.js").read_text("utf-8")
    assert script == ours.removesuffix("\n")
    (allowed,) = _ALLOWED.findall(unescape(html))
    assert allowed == base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _SCRIPT.sub("", html)
