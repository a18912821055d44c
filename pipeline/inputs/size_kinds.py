"""What kind of size each symbolic dim is: a batch, a sequence, a past, an image side, samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.inference.in_place import writes_in_place
from pipeline.graph.sizes.dims import Dim
from pipeline.inputs.roles import Role
from pipeline.operators import ATTENTIONS

SizeKind = Literal["batch", "sequence", "past", "image", "samples", "frames", "channels"]

_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "Resize", "AveragePool", "MaxPool"})
_THROUGH = frozenset(
    {"Unsqueeze", "Squeeze", "Reshape", "Transpose", "Cast", "Identity", "Pad", "Sub", "Div",
     "Mul", "Add", "InstanceNormalization", "LayerNormalization"}
)  # fmt: skip
# Outputs that hold a cache after new tokens were put in.
_PRESENT = {"Concat": (0,), **dict.fromkeys(ATTENTIONS, (1, 2))}


def size_kinds(facts: Facts, roles: Sequence[Role]) -> dict[str, SizeKind]:
    """Return the kind of every symbol in the inputs' shapes, by where it first stands alone."""
    pasts = {symbol for dim in grown(facts, roles) for symbol in dim.symbols}
    found: dict[str, SizeKind] = {}
    for alone in (True, False):
        for role in roles:
            for axis, dim in enumerate(role.shape):
                for symbol in sorted(dim.symbols):
                    if (dim == Dim.of(symbol)) == alone:
                        found.setdefault(symbol, _kind(role, axis, symbol in pasts))
    return found


def key_length(facts: Facts, roles: Sequence[Role]) -> Dim | None:
    """Return the key length of attention over a cache: a past plus what is new, None without.

    It is the last dim of the scores; no operator ties a mask's own length to it, since masks
    reach scores by indexing.
    """
    caches = grown(facts, roles)
    for node in _graph(roles):
        if node.op_type == "Softmax":
            shape = facts.shape(node.inputs[0])
            if shape and shape[-1] in caches:
                return shape[-1]
    return next(iter(caches), None)


def grown(facts: Facts, roles: Sequence[Role]) -> list[Dim]:
    """Return the dims that are the past of an input plus something new, in graph order."""
    pasts = {
        symbol
        for role in roles
        if role.kind == "floats" and len(role.shape) >= 3
        for dim in role.shape[1:-1]
        for symbol in dim.symbols
    }
    found: dict[Dim, None] = {}
    for node in _graph(roles):
        for index in _PRESENT.get(node.op_type, ()):
            shape = facts.shape(node.outputs[index]) if index < len(node.outputs) else None
            if shape is None or not _takes_input(node):
                continue
            for dim in (*shape[1:], *_told(node, facts)):
                parts = [Dim({monomial: c}) for monomial, c in dim.terms]
                if len(parts) > 1 and any(str(part) in pasts for part in parts):
                    found[dim] = None
    return list(found)


def _told(node: ir.Node, facts: Facts) -> tuple[Dim, ...]:
    """Return past plus new of an attention that is told its total.

    Its cache may be a buffer with room as well; where its length is free, it is taken to grow.
    """
    if node.op_type != "GroupQueryAttention" or writes_in_place(node):
        return ()
    past, query = facts.shape(node.inputs[3]), facts.shape(node.inputs[0])
    if past is None or query is None or len(past) != 4 or past[2].const is not None:
        return ()
    return (past[2] + query[1],)


def _takes_input(node: ir.Node) -> bool:
    """Return whether a cache that is a graph input goes in, perhaps through a view."""
    for value in node.inputs:
        for _ in range(3):
            if value is None or value.is_graph_input():
                break
            producer = value.producer()
            value = producer.inputs[0] if producer is not None and producer.inputs else None
        if value is not None and value.is_graph_input():
            return True
    return False


def _graph(roles: Sequence[Role]) -> Iterator[ir.Node]:
    graph = roles[0].value.graph if roles else None
    return iter(graph or ())


def _kind(role: Role, axis: int, is_past: bool) -> SizeKind:
    rank = len(role.shape)
    if axis == 0 and (rank > 1 or role.kind == "lengths"):
        return "batch"
    if role.kind != "floats":
        return "sequence"
    if is_past:
        return "past"
    if convolution_of(role.value) is None:
        return "sequence"
    if rank == 2:
        return "samples"
    if axis == 1:
        return "channels"
    return "frames" if rank == 3 else "image"


def convolution_of(value: ir.Value, depth: int = 6) -> ir.Node | None:
    """Return the convolution or its like that an input reaches through mere preparation."""
    level = [value]
    for _ in range(depth):
        following: list[ir.Value] = []
        for here in level:
            for usage in here.uses():
                if usage.node.op_type in _CONVOLUTIONS:
                    return usage.node
                if usage.node.op_type in _THROUGH:
                    following.extend(usage.node.outputs)
        level = following
    return None


def channels_of(facts: Facts, role: Role) -> Dim | None:
    """Return how many channels the convolution behind an image or signal takes.

    None where the input's own count is fixed: there is nothing to choose, and a fixed 1 may be a
    mask that is spread over all channels on its way.
    """
    if len(role.shape) > 1 and role.shape[1].const is not None:
        return None
    node = convolution_of(role.value) if role.kind == "floats" else None
    if node is None or node.op_type != "Conv":
        return None
    weight, direct = facts.shape(node.inputs[1]), facts.shape(node.inputs[0])
    if weight is None or direct is None or len(direct) != len(role.shape):
        return None
    groups = node.attributes["group"].as_int() if "group" in node.attributes else 1
    return weight[1] * groups
