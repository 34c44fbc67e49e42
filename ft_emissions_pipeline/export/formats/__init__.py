"""One file per format in which figures are handed on.

A format states FORMAT (its name on the command line), FILE (what its file is called), HOLDS (for
the docs) and ONE (whether it holds one version alone), and has `render(figures, out)`, which
returns text, bytes, or the files of a folder by name. `out` is where the result is to lie, None
for the terminal.
"""
