"""What the values of a run say: declines, falls to another level, collapses, explosions."""
