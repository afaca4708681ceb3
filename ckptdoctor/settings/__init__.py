"""What a user settles once for all commands: in a file, in the environment."""
