"""Packages of which everything counts as code that stands in no table."""

from __future__ import annotations

__all__ = ["FRAMEWORKS", "KNOWN_PACKAGES"]

FRAMEWORKS = frozenset(
    """
    omegaconf transformers timm torchvision ultralytics lightning pytorch_lightning
    lightning_fabric accelerate ignite
    """.split()
)
"""Those whose classes people pickle: one that stands in no table is a stranger."""

KNOWN_PACKAGES = FRAMEWORKS | frozenset(
    """
    jinja2 filelock sympy mpmath networkx fsspec markupsafe typing_extensions setuptools pip
    pkg_resources triton functorch torchgen
    """.split()
)
