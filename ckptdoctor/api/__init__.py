"""The doctor from Python: one function for each command, of the same name.

Nothing here prints, prompts or exits. What the command says by its exit code is an exception or
stands in the result; what it says on standard error is a warning.
"""
