"""The version, where every room can read it without importing what lies above."""

__all__ = ["__version__"]

__version__ = "0.1.0"
