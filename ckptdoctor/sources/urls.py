"""What stands in a URL, and how it is shown: without keys."""

from __future__ import annotations

import re

__all__ = ["redacted", "without_secrets"]

_LOGIN = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")
_QUERY = re.compile(r"\?[^\s'\"]*")


def redacted(url: str) -> str:
    """A URL as it is shown: its password and the values of its query are left out."""
    return "::".join(map(_one_redacted, url.split("::")))


def _one_redacted(url: str) -> str:
    shown = _LOGIN.sub(r"\1:…@", url)
    if not shown.startswith(("http://", "https://")):
        return shown
    before, mark, _ = shown.partition("?")
    return f"{before}?…" if mark else before


def without_secrets(message: str) -> str:
    """What a library says of an error, on one line, without what stands in the URLs of it."""
    return _QUERY.sub("?…", _LOGIN.sub(r"\1:…@", " ".join(message.split())))
