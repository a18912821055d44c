"""What made the weights that ship with `models`; in the repository only, not in the wheel."""
