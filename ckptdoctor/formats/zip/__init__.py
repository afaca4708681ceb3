"""Zip archives: the directory, its end, the records, what can be saved, and the way back."""
