"""What stands in a URL, and how it is shown: without keys."""

from __future__ import annotations

import re

__all__ = ["redacted", "without_secrets"]

_LOGIN = re.compile(r"(?<=://)([^/@:\s]*):[^/\s]*@")
_TOKEN = re.compile(r"(?<=https://)[^/@:\s]+@|(?<=http://)[^/@:\s]+@")
_BARE_LOGIN = re.compile(r"(?<![^\s'\"(])([^\s'\"(/@:]{1,128}):[^\s/@]{1,512}@(?=[\w.-])")
_QUERY = re.compile(r"\?[^\s'\"]*")


def redacted(url: str) -> str:
    """A URL as it is shown: its password or token and the values of its query are left out."""
    return "::".join(map(_one_redacted, url.split("::")))


def _one_redacted(url: str) -> str:
    shown = _TOKEN.sub("…@", _LOGIN.sub(r"\1:…@", url))
    if not shown.startswith(("http://", "https://")):
        return shown
    before, mark, _ = shown.partition("?")
    return f"{before}?…" if mark else before


def without_secrets(message: str) -> str:
    """What a library says of an error, on one line, without what stands in the URLs of it."""
    shown = _TOKEN.sub("…@", _LOGIN.sub(r"\1:…@", " ".join(message.split())))
    return _QUERY.sub("?…", _BARE_LOGIN.sub(r"\1:…@", shown))
