"""The scan against naive counting."""
