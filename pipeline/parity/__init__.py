"""Parity: is a candidate as close to the float64 model as PyTorch itself is in that precision."""
