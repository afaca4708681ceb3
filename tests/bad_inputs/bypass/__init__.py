"""Ways past a scanner of pickles."""
