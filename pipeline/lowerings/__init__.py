"""Lowerings: one small file turns one kind of site into one target's operators."""
