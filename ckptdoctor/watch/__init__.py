"""A run while it goes on: new checkpoints, the log as it grows, and silence."""
