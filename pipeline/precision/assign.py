"""Which nodes run low and which stay float32: the labelling with the fewest Casts.

A minimum cut decides. Low nodes are on the source's side. Each value costs one Cast when its
producer is low and any consumer is not, and one in the other direction, however many consumers
there are: an extra vertex per value and direction says exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from pipeline.graph.views.walks import bodies
from pipeline.precision.mincut import INFINITE, FlowNetwork
from pipeline.precision.policy import HEAVY, WIDE_INSIDE
from pipeline.precision.values import Values

_CAST = 1000
_HEAVY = 1_000_000
_WIDE_INSIDE = 3 * _CAST
_ANY = 1


def assign(
    model: ir.Model, values: Values, must_stay: Mapping[ir.Node, str], io_low: bool
) -> set[ir.Node]:
    """Return the nodes that compute on the low type.

    Args:
        model: The graph, without Casts between floating types.
        values: Answers about its values.
        must_stay: Reason per node, `` for free nodes; only nodes that touch floats.
        io_low: Whether floating inputs and outputs of the model have the low type.
    """
    flow = FlowNetwork()
    source, sink = flow.vertex(), flow.vertex()
    vertices = {node: flow.vertex() for node in must_stay}
    for node, reason in must_stay.items():
        if reason:
            flow.edge(vertices[node], sink, INFINITE)
        else:
            flow.edge(source, vertices[node], _worth(node))
    ends = source if io_low else sink
    inside = owners(model)
    for value, producer in _values(model, values, vertices, ends):
        users = _users(value, vertices, inside, ends)
        if users:
            _link(flow, producer, users)
    side = flow.source_side(source, sink)
    return {node for node, vertex in vertices.items() if side[vertex]}


def _worth(node: ir.Node) -> int:
    if node.op_type in HEAVY:
        return _HEAVY
    return _WIDE_INSIDE if node.op_type in WIDE_INSIDE else _ANY


def _values(
    model: ir.Model, values: Values, vertices: Mapping[ir.Node, int], ends: int
) -> list[tuple[ir.Value, int]]:
    """Return the values that have a type to choose, with the vertex that produces each."""
    found = [(v, ends) for v in model.graph.inputs if values.is_flexible(v)]
    for node, vertex in vertices.items():
        for value in node.outputs:
            if values.is_flexible(value) and not values.is_constant(value):
                found.append((value, vertex))
    return found


def _users(
    value: ir.Value,
    vertices: Mapping[ir.Node, int],
    inside: Mapping[ir.Node, ir.Node],
    ends: int,
) -> set[int]:
    """Return the vertices that read a value; a Cast to another kind takes any type for free."""
    readers = {inside.get(node, node) for node, _index in value.uses()}
    users = {vertices[n] for n in readers if n.op_type != "Cast" and n in vertices}
    if value.is_graph_output():
        users.add(ends)
    return users


def owners(model: ir.Model) -> dict[ir.Node, ir.Node]:
    """Return, for every node inside a subgraph, the node of the main graph it runs in."""
    found: dict[ir.Node, ir.Node] = {}
    for outer in model.graph:
        for body in bodies(outer):
            found.update(dict.fromkeys(body.all_nodes(), outer))
    return found


def _link(flow: FlowNetwork, producer: int, users: set[int]) -> None:
    down, up = flow.vertex(), flow.vertex()
    flow.edge(producer, down, _CAST)
    flow.edge(up, producer, _CAST)
    for user in users:
        flow.edge(down, user, INFINITE)
        flow.edge(user, up, INFINITE)
