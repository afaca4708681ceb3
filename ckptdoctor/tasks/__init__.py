"""What a command does, without its terminal: what ``cli`` and ``api`` share."""
