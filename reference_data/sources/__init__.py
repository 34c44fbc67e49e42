"""Maintainers' scripts: a published file in, rows of the tables out.

Put here: one script per source. Keep out: anything that a user or a run needs.
"""
