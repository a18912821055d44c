"""Recognises bias + GELU: the operator Gelu on a sum with a vector.

    Gelu(x + b)        b [features]

Anchor: a Gelu operator (run after the activations are operators).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts


@dataclass(frozen=True, eq=False)
class BiasGeluSite(Site):
    """A Gelu operator that could take in the bias before it.

    Attributes:
        x: [..., features].
        bias: [features].
        tanh: Whether it is the tanh form.
    """

    x: ir.Value
    bias: ir.Value
    tanh: bool

    @property
    def form(self) -> str:
        """E.g. `bias + GELU (tanh)`."""
        return "bias + GELU" + (" (tanh)" if self.tanh else "")

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The tensor without its bias."""
        return frozenset({self.x})


def find_bias_gelus(graph: ir.Graph, facts: Facts) -> Iterator[BiasGeluSite | Refusal]:
    """Yield every Gelu of a sum with a vector that nobody else reads."""
    for node in anchors(graph):
        if node.domain or node.op_type != "Gelu":
            continue
        total = node.inputs[0]
        add = total.producer() if total is not None else None
        if total is None or add is None or add.op_type != "Add" or add.domain:
            continue
        if len(list(total.uses())) > 1 or total.is_graph_output():
            continue
        shape = facts.shape(total)
        for x, bias in (add.inputs, add.inputs[::-1]):
            if x is None or bias is None or shape is None or facts.shape(x) != shape:
                continue
            if facts.shape(bias) == shape[-1:]:
                tanh = node.attributes.get_string("approximate", "none") == "tanh"
                nodes, outputs = frozenset({node, add}), (node.outputs[0],)
                yield BiasGeluSite(node, nodes, outputs, x=x, bias=bias, tanh=tanh)
                break
