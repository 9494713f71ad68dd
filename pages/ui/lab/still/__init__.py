"""Plots as still pictures, SVG without a script, for documents that stand alone."""
