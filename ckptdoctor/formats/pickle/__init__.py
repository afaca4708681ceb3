"""Pickles, read without running them: names, opcodes, the inert tree, and the way back."""
