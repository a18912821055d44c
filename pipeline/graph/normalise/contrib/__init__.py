"""Operators of com.microsoft, and rich forms of Attention, written out in plain standard ones.

So files of other optimizers read like any exporter's, and are lowered anew for the target at hand.
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.normalise.contrib.attention import ATTENTIONS
from pipeline.graph.normalise.contrib.group_query import GROUP_QUERY
from pipeline.graph.normalise.contrib.norms import NORMS
from pipeline.graph.normalise.contrib.pointwise import POINTWISE
from pipeline.graph.normalise.contrib.products import PRODUCTS
from pipeline.graph.normalise.contrib.standard_attention import STANDARD
from pipeline.graph.normalise.contrib.writer import Writer
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.rewriting.edit import take_over

WRITERS: dict[tuple[str, str], Writer] = {
    **NORMS, **POINTWISE, **PRODUCTS, **ATTENTIONS, **GROUP_QUERY, **STANDARD
}  # fmt: skip

SOFT_CAPPED = ("", "Attention, soft-capped")  # a form that targets keep or not by itself
ALL: frozenset[tuple[str, str]] = frozenset({*WRITERS, SOFT_CAPPED})


def write_out_contrib(draft: Draft) -> int:
    """Replace operators that the target does not keep; return how many were."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            key = (node.domain, node.op_type)
            writer = WRITERS.get(key)
            if writer is None or _form(node) in draft.keep or draft.opset() < writer.opset:
                continue
            made = writer.write(draft, node)
            used = {i for i, out in enumerate(node.outputs) if out.is_graph_output() or out.uses()}
            if made is None or not used <= made.keys():
                continue  # what was inserted has no readers and goes with the unused nodes
            for index in used:
                take_over(graph, node.outputs[index], _own(draft, node, made[index]), draft.facts)
            graph.remove(node, safe=True)
            count += 1
    return count


def _form(node: ir.Node) -> tuple[str, str]:
    """Return what a target says of a node that it keeps: its operator, or a form of it."""
    capped = node.domain == "" and node.op_type == "Attention"
    if capped and node.attributes.get_float("softcap", 0.0) != 0.0:
        return SOFT_CAPPED
    return node.domain, node.op_type


def _own(draft: Draft, node: ir.Node, value: ir.Value) -> ir.Value:
    """Return a value that may take the name of a graph output: an input has one already."""
    if value.producer() is not None and not value.is_graph_output():
        return value
    return draft.insert(node, "Identity", [value])
