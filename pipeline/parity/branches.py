"""Which way each Where, If and comparison of a graph went, for given inputs.

Conditions are mostly made of sizes, masks and positions: they are computed alone, without the
layers, so that looking is cheap. One that depends on activations is not looked at, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.boundaries import COMPARISONS
from pipeline.operators import ATTENTIONS

FEW = 4096
"""A constant of more elements is a weight; what depends on weights is left alone."""

_HEAVY = ATTENTIONS | {"Softmax", "Conv", "Loop", "Scan", "LSTM", "GRU", "RNN"}
_FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
Outcome = tuple[str, bool]


class Branches:
    """The conditions of a graph's own nodes, and which values they take.

    Args:
        model: The graph, calls of functions written out; it must not change.
        facts: Facts of it.

    Attributes:
        places: Value that decides -> the node it decides for.
        hidden: How many conditions depend on activations.
    """

    def __init__(self, model: ir.Model, facts: Facts) -> None:
        from pipeline.judge import Judge

        self.places: dict[str, str] = {}
        self.hidden = 0
        cheap: dict[ir.Value, tuple[bool, bool]] = {}
        for node in model.graph:
            for output in node.outputs:
                cheap[output] = _cheap(node, cheap)
            value = _condition(node)
            if value is None or not value.name or _settled(value, facts):
                continue
            light, varies = cheap.get(value, (True, value.is_graph_input()))
            if not light:
                self.hidden += 1
            elif varies:
                self.places.setdefault(value.name, f"{node.op_type} {node.name or ''}".strip())
        self._inputs = {str(value.name) for value in model.graph.inputs}
        self._judge = Judge(model) if self.places else None

    def outcomes(self, feeds: Mapping[str, np.ndarray]) -> set[Outcome]:
        """Return each condition with each truth value that it takes anywhere.

        Raises:
            BadModelError: the graph cannot run at these sizes.
        """
        if self._judge is None:
            return set()
        fed = {name: array for name, array in feeds.items() if name in self._inputs}
        found = self._judge.run(fed, outputs=list(self.places))
        taken: set[Outcome] = set()
        for name, value in found.items():
            truth = value.bool()
            taken |= {(name, True)} if truth.any() else set()
            taken |= {(name, False)} if not truth.all() else set()
        return taken

    def wanted(self) -> set[Outcome]:
        """Return every condition with both truth values."""
        return {(name, truth) for name in self.places for truth in (True, False)}


def _condition(node: ir.Node) -> ir.Value | None:
    if node.op_type in ("Where", "If"):
        return node.inputs[0]
    return node.outputs[0] if node.op_type in COMPARISONS else None


def _cheap(node: ir.Node, known: Mapping[ir.Value, tuple[bool, bool]]) -> tuple[bool, bool]:
    """Return whether a node's value comes without weights, and whether it varies at all."""
    light, varies = node.op_type not in _HEAVY, False
    sizes = node.op_type in ("Shape", "Size")  # no value is computed for its size alone
    for value in node.inputs:
        if value is None:
            continue
        const = value.const_value
        if const is not None:
            light &= sizes or value.dtype not in _FLOATS or const.size <= FEW
            continue
        before, moves = known.get(value, (True, True))
        light, varies = light and before, varies or moves
    return light, varies and node.op_type != "Constant"


def _settled(value: ir.Value, facts: Facts) -> bool:
    """Return whether a condition is a constant, or asks whether a size is -1, which none is."""
    if facts.is_const(value) or facts.scalar(value) is not None:
        return True
    node = value.producer()
    asks = node is not None and node.op_type == "Equal"
    return asks and any(facts.scalar(operand) == -1 for operand in node.inputs)  # type: ignore[union-attr]
