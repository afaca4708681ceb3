"""The rules and the layout of one team, for their own checkpoints."""
