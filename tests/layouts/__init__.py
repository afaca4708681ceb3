"""Folders as frameworks write them, and what each layout says of them."""
