"""Operators of com.microsoft written out in standard ones.

So files of other optimizers read like any exporter's, and are lowered anew for the target at hand.
"""

from __future__ import annotations

from pipeline.graph.normalise.contrib.attention import ATTENTIONS
from pipeline.graph.normalise.contrib.norms import NORMS
from pipeline.graph.normalise.contrib.pointwise import POINTWISE
from pipeline.graph.normalise.contrib.products import PRODUCTS
from pipeline.graph.normalise.contrib.writer import Writer
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.rewriting.edit import take_over

WRITERS: dict[tuple[str, str], Writer] = {**NORMS, **POINTWISE, **PRODUCTS, **ATTENTIONS}

CONTRIB = frozenset(name for _, name in WRITERS)


def write_out_contrib(draft: Draft) -> int:
    """Replace operators that the target does not keep; return how many were."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            writer = WRITERS.get((node.domain, node.op_type))
            if writer is None or node.op_type in draft.keep or draft.opset() < writer.opset:
                continue
            made = writer.write(draft, node)
            used = {i for i, out in enumerate(node.outputs) if out.is_graph_output() or out.uses()}
            if made is None or not used <= made.keys():
                continue  # what was inserted has no readers and goes with the unused nodes
            for index in used:
                take_over(graph, node.outputs[index], made[index], draft.facts)
            graph.remove(node, safe=True)
            count += 1
    return count
