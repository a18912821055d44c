"""Fusion: a folder per construct with its site, finder and lowerings; `plan` holds their order."""
