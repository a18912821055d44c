"""Normalise a graph: one way of writing for what exporters write in many."""

from __future__ import annotations

from pipeline.graph.normalise.passes import PASSES, normalise

__all__ = ["PASSES", "normalise"]
