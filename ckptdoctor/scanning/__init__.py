"""Checkpoint to :class:`~ckptdoctor.checkpoint.TensorStats`: the only room that calls torch."""
