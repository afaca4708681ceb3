"""Remembered results: what was read of a file that has not changed since need not be read again."""
