"""The parity beside a checkpoint: what gives back a hundredth of it that was lost."""
