"""A bundle that verifies graphs and engines on another machine, and what it measured there."""
