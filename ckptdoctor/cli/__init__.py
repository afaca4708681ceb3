"""The command line: one module a command, parsing and wiring only."""
