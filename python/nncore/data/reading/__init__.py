"""Many picture files to one array, and what is kept on disk so that none is read twice.

`load.py` is the way through: from the cache, or decoded in blocks by threads and collected."""
