"""Single bits put right."""
