"""Recognises an embedding: rows of two or three tables, summed and normalised.

    LayerNorm(words[ids] + positions[p] + segments[s])

Anchor: a LayerNormalization of a sum of Gathers (run after the norms are operators). Which table
is called which does not matter to the sum; only positions may be given once for all batch rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE


@dataclass(frozen=True)
class Lookup:
    """Rows of a table [rows, hidden] at ids [batch or 1, length]."""

    table: ir.Value
    ids: ir.Value


@dataclass(frozen=True, eq=False)
class EmbeddingSite(Site):
    """A normalised embedding.

    Attributes:
        words: The lookup whose ids span batch and length.
        positions: The one whose ids may be the same for all batch rows.
        segments: A third, of the words' shape, None when absent.
        weight, bias: The norm's.
        epsilon: The norm's.
    """

    words: Lookup
    positions: Lookup
    segments: Lookup | None
    weight: ir.Value
    bias: ir.Value
    epsilon: float

    @property
    def form(self) -> str:
        """E.g. `3 tables + LayerNorm`."""
        return f"{2 if self.segments is None else 3} tables + LayerNorm"


def find_embeddings(graph: ir.Graph, facts: Facts) -> Iterator[EmbeddingSite | Refusal]:
    """Yield every LayerNormalization of summed table rows."""
    for node in anchors(graph):
        if node.domain or node.op_type != "LayerNormalization":
            continue
        x, shape = node.inputs[0], facts.shape(node.inputs[0])
        weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
        if x is None or shape is None or len(shape) != 3 or weight is None or bias is None:
            continue
        axis = node.attributes.get_int("axis", -1)
        nodes: set[ir.Node] = {node}
        lookups = _lookups(x, facts, nodes)
        roles = _roles(lookups, shape[:2], facts) if axis in (-1, 2) and lookups else None
        if roles is not None:
            words, positions, segments = roles
            yield EmbeddingSite(
                node,
                frozenset(nodes),
                (node.outputs[0],),
                words=words,
                positions=positions,
                segments=segments,
                weight=weight,
                bias=bias,
                epsilon=node.attributes.get_float("epsilon", 1e-5),
            )


def _lookups(value: ir.Value, facts: Facts, nodes: set[ir.Node]) -> list[Lookup] | None:
    """Return the lookups a value is the sum of, None when it is anything else."""
    node = value.producer()
    if node is None or node.domain or value.is_graph_output() or len(list(value.uses())) != 1:
        return None
    nodes.add(node)
    if node.op_type == "Add" and node.inputs[0] is not None and node.inputs[1] is not None:
        left, right = (_lookups(v, facts, nodes) for v in node.inputs if v is not None)
        return None if left is None or right is None else left + right
    table, ids = (*node.inputs, None)[:2]
    if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 0:
        return None
    shape = facts.shape(table)
    static = shape is not None and len(shape) == 2 and all(d.is_const for d in shape)
    if not static or table is None or ids is None or len(facts.shape(ids) or ()) != 2:
        return None
    return [Lookup(table, ids)]


def _roles(
    lookups: list[Lookup], full: tuple[object, ...], facts: Facts
) -> tuple[Lookup, Lookup, Lookup | None] | None:
    """Assign the lookups: words and segments need full ids, positions the length only."""
    if len(lookups) not in (2, 3):
        return None
    once = [x for x in lookups if (facts.shape(x.ids) or (0,))[0] == ONE != full[0]]
    every = [x for x in lookups if facts.shape(x.ids) == full]
    if len(once) > 1 or len(once) + len(every) != len(lookups):
        return None
    positions = once[0] if once else every.pop(1)
    return every[0], positions, every[1] if len(every) > 1 else None
