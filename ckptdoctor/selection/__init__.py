"""Which findings count: what the user selects, ignores, or has accepted.

Verdicts, ranking and the next command are made of all findings, before this room is asked.
"""
