"""Recognisers: one per construct, on normalised graphs, by meaning rather than by pattern."""
