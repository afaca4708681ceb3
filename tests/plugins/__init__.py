"""Rules and layouts from another package: the example that docs/plugins.md shows, and bad ones."""
