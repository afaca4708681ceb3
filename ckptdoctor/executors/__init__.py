"""Files read elsewhere: by processes of this machine, or by those of a cluster.

What goes out are paths and what a layout says of them; what comes back are names and figures, never
tensors. Runs are formed and judged here, from the same results as if the files had been read here.
"""
