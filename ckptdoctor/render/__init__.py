"""Reports to text, one module a format. Each is a pure function of the report."""
