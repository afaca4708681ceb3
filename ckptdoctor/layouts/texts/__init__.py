"""Small texts beside the weights: indexes, states, configurations."""
