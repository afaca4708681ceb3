"""A doctor for PyTorch checkpoints."""

__version__ = "0.1.0"
