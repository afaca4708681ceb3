"""Megatron-LM: iterations, ranks, distributed checkpoints."""
