"""Checkpoints of several files, restored."""
