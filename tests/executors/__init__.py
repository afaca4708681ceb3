"""Files read by workers."""
