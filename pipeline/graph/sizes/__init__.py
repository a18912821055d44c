"""Symbolic sizes: polynomials over the named dimensions of a graph."""
