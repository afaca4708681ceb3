"""Damaged, hostile and simply wrong files, and what the user reads about each."""
