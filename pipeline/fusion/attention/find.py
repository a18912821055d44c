"""Recognises attention: every softmax is a candidate, every refusal has a reason."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from pipeline.fusion.attention.heads import site_of
from pipeline.fusion.attention.native import native_site
from pipeline.fusion.attention.operands import Unmatched
from pipeline.fusion.attention.pairing import fill_roles
from pipeline.fusion.attention.probs import Way, follow
from pipeline.fusion.attention.rounded import REMEDY, rounding_in
from pipeline.fusion.attention.scores import Break, Path, find_path
from pipeline.fusion.attention.site import AttentionSite
from pipeline.fusion.attention.steps import PAIRS, SCORES, VALUES
from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import WRITTEN, Refusal, Step
from pipeline.graph.inference.facts import Facts

FORM = "scaled dot-product attention"


def find_attention(graph: ir.Graph, facts: Facts) -> Iterator[AttentionSite | Refusal]:
    """Yield every attention of the graph, and a refusal for every softmax that is none.

    A softmax that reaches no product of two tensors (a classifier's or a router's) yields
    nothing: it is not a candidate.
    """
    for node in anchors(graph):
        if node.op_type == "Softmax" and node.domain in ("", "ai.onnx"):
            yield from _candidates(node, facts)
        elif node.op_type == "QLinearSoftmax":
            yield from _rounded(node, facts)
        elif node.op_type == "Attention" and node.domain in ("", "ai.onnx"):
            yield _native(node, facts)


def _candidates(softmax: ir.Node, facts: Facts) -> Iterator[AttentionSite | Refusal]:
    """Yield one site per product of the probabilities with values."""
    tried: set[ir.Node] = set()
    while softmax.graph is not None:
        scores = softmax.inputs[0]
        assert scores is not None
        path, ways = find_path(scores, facts), follow(softmax.outputs[0], facts)
        way = next((w for w in ways if w.product is None or w.product.node not in tried), None)
        if way is None:
            return
        rounded = isinstance(path, Break) or way.product is None
        if rounded and (found := [*_rounded(softmax, facts)]):
            yield from found
            return
        if way.product is None:
            if isinstance(path, Path) and way.at is not None:
                returned = softmax.outputs[0].is_graph_output()
                remedy = "return no attention weights from the model" if returned else ""
                yield _refuse(softmax, VALUES, way.reason, way.at, remedy)
            return
        tried.add(way.product.node)
        if isinstance(path, Path):
            yield _site(softmax, path, way, facts)
        else:
            yield _refuse(softmax, SCORES, path.reason, path.node, "")


def _rounded(softmax: ir.Node, facts: Facts) -> Iterator[Refusal]:
    """Yield the refusal of an attention with a quantiser inside, where there is one."""
    found = rounding_in(softmax, facts)
    if found is not None:
        yield _refuse(softmax, VALUES, *found, REMEDY)


def _site(softmax: ir.Node, path: Path, way: Way, facts: Facts) -> AttentionSite | Refusal:
    try:
        roles = fill_roles(softmax, path, way, facts)
    except Unmatched as error:
        return _refuse(softmax, PAIRS, error.reason, error.node, error.remedy)
    assert way.product is not None
    nodes = {softmax, path.product.node, way.product.node, *way.nodes, *roles.tail}
    nodes |= {step.node for step in path.steps}
    try:
        return site_of(roles, softmax, frozenset(nodes), facts)
    except Unmatched as error:
        return _refuse(softmax, WRITTEN, error.reason, error.node, error.remedy)


def _native(node: ir.Node, facts: Facts) -> AttentionSite | Refusal:
    try:
        return native_site(node, facts)
    except Unmatched as error:
        return _refuse(node, PAIRS, error.reason, error.node, error.remedy)


def _refuse(anchor: ir.Node, step: Step, reason: str, node: ir.Node | None, remedy: str) -> Refusal:
    return Refusal(anchor, FORM, step, reason, node, remedy)
