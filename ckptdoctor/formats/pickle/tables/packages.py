"""Packages of which everything counts as code that stands in no table."""

from __future__ import annotations

__all__ = ["KNOWN_PACKAGES"]

KNOWN_PACKAGES = frozenset(
    """
    jinja2 filelock sympy mpmath networkx fsspec markupsafe typing_extensions setuptools pip
    pkg_resources triton functorch torchgen omegaconf transformers timm torchvision ultralytics
    """.split()
)
