"""How much is worth loading torch's library for."""

from __future__ import annotations

__all__ = ["FEW_NBYTES"]

FEW_NBYTES = 2 << 20
"""So much is measured by Python alone: it takes a quarter of the time that loading takes."""
