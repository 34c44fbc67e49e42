"""One module per log format, nothing else: what recognises it, and what its records become."""
