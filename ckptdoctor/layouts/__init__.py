"""Files to one checkpoint: which belong together, and which are missing; one module a framework.

A layout looks at the names of a folder, and into the small texts that describe what lies there:
indexes, states, pointers. It opens no tensor file; what is in the parts is the readers' business.
"""
