"""Checkpoints in time: which files belong to a run, and in which order."""
