"""What the functions of the package return, held against the commands."""
