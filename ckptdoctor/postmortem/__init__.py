"""What happened to a run: which tensor left its past first, why, and what to do about it."""
