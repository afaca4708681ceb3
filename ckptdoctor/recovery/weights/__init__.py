"""The weights of a checkpoint alone: each tensor whole, however many files it is cut into."""
