"""Checkpoints of several files: a folder is copied to a folder, and gets its name in one step."""
