"""Small texts beside the weights: what is said of folders."""
