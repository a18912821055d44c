"""Compute equal things once, and drop what nobody reads."""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.inference.evaluate import is_deterministic
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.rewriting import edit, equal


def merge_equal(draft: Draft) -> int:
    """Merge nodes with the same operator, attributes and inputs."""
    return equal.merge_equal(draft.model.graph, _mergeable)


def _mergeable(node: ir.Node) -> bool:
    return is_deterministic(node) and not any(v.is_graph_output() for v in node.outputs)


def drop_unused(draft: Draft) -> int:
    """Remove nodes, weights and optional outputs that nobody reads."""
    return int(edit.drop_unused(draft.model))
