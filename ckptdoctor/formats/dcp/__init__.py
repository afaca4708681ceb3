"""What torch.distributed.checkpoint writes around its slices: the description, and the chunks."""
