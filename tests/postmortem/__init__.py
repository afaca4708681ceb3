"""Runs with a known first tensor, and what the autopsy says of them."""
