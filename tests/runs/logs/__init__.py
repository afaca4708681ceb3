"""Logs: what is read of them, and how."""
