"""Tests on checkpoints that others made."""
