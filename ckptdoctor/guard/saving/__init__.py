"""Saving a checkpoint from a training loop: whole, verified, and how many are kept."""
