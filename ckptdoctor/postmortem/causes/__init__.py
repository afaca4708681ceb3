"""Why it went bad: what rates, losses and settings say, weighed by what the tensors say."""
