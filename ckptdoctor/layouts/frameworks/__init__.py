"""One module a framework, or a folder of modules: which files form its checkpoints."""
