"""The documentation site: ``python -m sphinx -W --keep-going -b html docs site``."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ckptdoctor.version import __version__

with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as _file:
    _urls = tomllib.load(_file)["project"]["urls"]

project = "ckptdoctor"
author = "The ckptdoctor developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
source_suffix = {".md": "markdown"}
nitpicky = False  # types of the standard library are not linked: nothing is fetched for a build

myst_heading_anchors = 4
myst_url_schemes = ("http", "https", "mailto")

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "ckptdoctor"
html_theme_options = {
    "source_repository": _urls["Repository"],
    "source_branch": "main",
    "source_directory": "docs/",
}
html_copy_source = False
