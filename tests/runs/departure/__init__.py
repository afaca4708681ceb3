"""Courses that are made up, and what is judged of them."""
