"""Perf: every way of running a model under one clock, with intervals instead of single numbers."""
