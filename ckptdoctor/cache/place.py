"""Where results are remembered, and whether they are."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["FOLDER_VARIABLE", "OFF_VARIABLE", "cache_folder", "is_wanted"]

FOLDER_VARIABLE = "CKPTDOCTOR_CACHE_DIR"
OFF_VARIABLE = "CKPTDOCTOR_NO_CACHE"
_NO = frozenset({"", "0", "false", "no", "off"})


def is_wanted() -> bool:
    """Whether results may be remembered at all; ``CKPTDOCTOR_NO_CACHE=1`` says no."""
    return os.environ.get(OFF_VARIABLE, "").strip().lower() in _NO


def cache_folder() -> Path | None:
    """The folder for what is remembered, whether or not it is there; None where there is no home.

    ``$CKPTDOCTOR_CACHE_DIR``, else the place that the system has for such files:
    ``~/.cache/ckptdoctor`` on Linux.
    """
    told = os.environ.get(FOLDER_VARIABLE, "")
    if told:
        return Path(told).absolute()
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("ckptdoctor", appauthor=False)
    except (KeyError, OSError, RuntimeError):  # a user without a home
        return None
    return folder if folder.is_absolute() else None  # as older releases say the same: "~"
