"""Which files, and in which order."""
