"""Each rule where it must speak and where it must not."""
