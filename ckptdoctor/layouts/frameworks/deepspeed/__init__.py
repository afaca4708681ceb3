"""DeepSpeed: tag folders, ranks, universal checkpoints."""
