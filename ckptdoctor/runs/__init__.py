"""Which checkpoints and logs are one run, in which order, judged by what, and what it did."""
