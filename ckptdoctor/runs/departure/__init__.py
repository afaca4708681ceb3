"""Which tensor of a run left its own past first, and which followed."""
