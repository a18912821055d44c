"""Recognises transformer layers as units, on the fused graph, for people who read `explain`.

    s' = s + branch(norm(s))     pre-norm        s' = norm(s + branch(s))     post-norm

Anchor: a residual sum, whose one operand (the branch) is computed from the other (the stream).
What a branch contains says what it is; consecutive sums from an attention up to the next
feed-forward are one layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

import onnx_ir as ir

from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.module_path import module_path
from pipeline.operators import ATTENTIONS, PLAIN_NORMS, RESIDUAL_NORMS

MAX_BRANCH = 400
_ATTENTION = ATTENTIONS | {"Softmax"}
_NORMS = RESIDUAL_NORMS | PLAIN_NORMS
_PRODUCTS = frozenset({"MatMul", "Gemm", "MatMulNBits", "Conv", "Einsum"})
_ACTIVATIONS = {
    "Gelu": "GELU", "BiasGelu": "GELU", "FastGelu": "GELU", "QuickGelu": "SiLU", "Swish": "SiLU",
    "Sigmoid": "SiLU", "Relu": "ReLU", "Tanh": "tanh", "Erf": "GELU",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Branch:
    """What one residual sum adds to the stream.

    Attributes:
        total: The sum.
        stream: The value the branch was computed from and is added to.
        kind: `attention`, `cross-attention`, `feed-forward` or `attention beside feed-forward`.
        detail: The activation of a feed-forward, empty otherwise.
        pre_norm: Whether the branch starts with a norm of the stream.
        nodes: What it is computed by, the sum included.
    """

    total: ir.Value
    stream: ir.Value
    kind: str
    detail: str
    pre_norm: bool
    nodes: frozenset[ir.Node]


@dataclass(frozen=True, eq=False)
class LayerSite(Site):
    """One transformer layer: its branches in order.

    Attributes:
        branches: From the first attention to the feed-forward.
    """

    branches: tuple[Branch, ...] = field(kw_only=True)

    @property
    def path(self) -> str:
        """The module path that the first attention and the activation have in common."""
        active = [n for n in self.branches[-1].nodes if n.op_type in _ACTIVATIONS]
        ends = [module_path(n).split(".") for n in (self.anchor, *active[:1])]
        same = takewhile(lambda pair: pair[0] == pair[-1], zip(*ends, strict=False))
        return ".".join(pair[0] for pair in same) or module_path(self.anchor)

    @property
    def form(self) -> str:
        """E.g. `pre-norm: attention, cross-attention, feed-forward (GELU)`."""
        where = "pre-norm" if any(b.pre_norm for b in self.branches) else "post-norm"
        parts = [b.kind + (f" ({b.detail})" if b.detail else "") for b in self.branches]
        return f"{where}: {', '.join(parts)}"


def find_layers(graph: ir.Graph, facts: Facts) -> Iterator[LayerSite]:
    """Yield the layers of a graph, in its order."""
    pending: list[Branch] = []
    for branch in _branches(graph, facts):
        if branch.kind == "feed-forward" and not pending:
            continue
        pending.append(branch)
        if "feed-forward" in branch.kind:
            nodes = frozenset().union(*(b.nodes for b in pending))
            anchor = next((n for n in graph if n in nodes and n.op_type in _ATTENTION), None)
            if anchor is not None:
                outputs = (branch.total,)
                yield LayerSite(anchor, nodes, outputs, branches=tuple(pending))
            pending = []


def _branches(graph: ir.Graph, facts: Facts) -> Iterator[Branch]:
    sums: set[ir.Value] = set()  # earlier sums and their norms: where other branches begin
    for node in graph:
        operands = node.inputs[:2]
        if node.op_type not in RESIDUAL_NORMS | {"Add"} or any(v is None for v in operands):
            continue
        left, right = (v for v in operands if v is not None)
        shape = facts.shape(left)
        if shape is None or len(shape) < 2 or facts.shape(right) != shape:
            continue
        total = _total(node)
        for stream, end in ((left, right), (right, left)):
            found = _branch(node, total, stream, end, sums, facts)
            if found is not None:
                yield found
                sums |= {total, node.outputs[0]}
                sums |= {n.outputs[0] for n in total.consumers() if n.op_type in _NORMS}
                break


def _total(node: ir.Node) -> ir.Value:
    """Return the residual sum; a skip norm that does not return it stands for it by its result."""
    has_sum = node.op_type in RESIDUAL_NORMS and len(node.outputs) > 3
    return node.outputs[3] if has_sum else node.outputs[0]


def _branch(
    node: ir.Node,
    total: ir.Value,
    stream: ir.Value,
    end: ir.Value,
    sums: set[ir.Value],
    facts: Facts,
) -> Branch | None:
    """Return the branch that leads from the stream to `end`, None when none does."""
    starts = {stream} | {n.outputs[0] for n in stream.consumers() if n.op_type in _NORMS}
    skip = stream.producer()
    if skip is not None and skip.op_type in RESIDUAL_NORMS:
        starts.add(skip.outputs[0])
    found: dict[ir.Node, None] = {}
    todo, reached, foreign = [end], set[ir.Value](), False
    while todo and len(found) <= MAX_BRANCH:
        value = todo.pop()
        producer = value.producer()
        if value in starts:
            reached.add(value)
        elif value in sums:
            foreign = True  # keys and values of another stream
        elif producer is not None and producer not in found:
            found[producer] = None
            todo += [v for v in producer.inputs if v is not None]
    kind, feed = _kind(found, facts)
    if not reached or len(found) > MAX_BRANCH or not kind:
        return None
    if foreign and kind == "attention":
        kind = "cross-attention"
    pre = {v.producer() for v in reached if v is not stream}
    nodes = frozenset({node, *found, *(n for n in pre if n is not None)})
    detail = _detail(feed) if "feed-forward" in kind else ""
    return Branch(total, stream, kind, detail, bool(pre), nodes)


def _kind(nodes: dict[ir.Node, None], facts: Facts) -> tuple[str, list[ir.Node]]:
    """Return what a branch is, and the nodes of its feed-forward."""
    attentions = [n for n in nodes if _attends(n, facts)]
    inside = _before(attentions, nodes)
    rest = [n for n in nodes if n not in inside]
    activates = any(n.op_type in _ACTIVATIONS for n in rest)
    feeds = activates and sum(n.op_type in _PRODUCTS for n in rest) >= 2
    if attentions:
        return ("attention beside feed-forward" if feeds else "attention"), rest
    return ("feed-forward" if feeds else ""), rest


def _attends(node: ir.Node, facts: Facts) -> bool:
    if node.op_type == "Softmax":  # a router's softmax has rank 2
        return len(facts.shape(node.outputs[0]) or ()) >= 3
    return node.op_type in _ATTENTION


def _before(nodes: list[ir.Node], within: dict[ir.Node, None]) -> set[ir.Node]:
    """Return the nodes that the given ones are computed by."""
    found: set[ir.Node] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if node in within and node not in found:
            found.add(node)
            todo += [p for v in node.inputs if v is not None and (p := v.producer()) is not None]
    return found


def _detail(nodes: list[ir.Node]) -> str:
    """Return the activation's name, gated when its result multiplies another projection."""
    for node in nodes:
        name = _ACTIVATIONS.get(node.op_type)
        if name is not None:
            users = [n for n in node.outputs[0].consumers() if n.op_type == "Mul"]
            gated = any(_projected(n, node.outputs[0]) for n in users)
            experts = "experts, " if any(n.op_type == "TopK" for n in nodes) else ""
            return f"{experts}gated {name}" if gated else experts + name
    return ""


def _projected(product: ir.Node, activated: ir.Value) -> bool:
    other = next((v for v in product.inputs if v is not activated), None)
    producer = other.producer() if other is not None else None
    heavy = {"MatMul", "Gemm", "Add", "Split", "Slice", "Clip"}
    return producer is not None and producer.op_type in heavy
