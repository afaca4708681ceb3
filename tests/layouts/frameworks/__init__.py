"""One module a framework, or a folder of modules: what is said of folders."""
