"""Pages for a browser and for a notebook."""
