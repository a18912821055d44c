"""Kernels, one small file per family of operators; each ends in its own TABLE."""
