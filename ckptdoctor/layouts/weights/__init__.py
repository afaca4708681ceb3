"""The weights of a model, in one file or in shards with an index."""
