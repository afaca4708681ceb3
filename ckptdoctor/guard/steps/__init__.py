"""What is checked before an optimizer step, and what is undone."""
