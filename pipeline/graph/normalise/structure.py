"""Passes that settle where things are written: functions, defaults, Constant nodes, branches."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass

from pipeline.graph.inference.consts import constant_tensor
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.normalise.inline import inline
from pipeline.graph.rewriting.equal import content


def inline_functions(draft: Draft) -> int:
    """Replace each call of a function of the model by the function's nodes."""
    count = inline(draft.model)
    if count:
        draft.restructured()
    return count


def drop_default_inputs(draft: Draft) -> int:
    """Make inputs that have a stored value plain weights: nobody needs to feed them."""
    return int(RemoveInitializersFromInputsPass()(draft.model).modified)


def lift_constants(draft: Draft) -> int:
    """Turn Constant nodes into initializers, equal small ones into one.

    onnx-ir has a pass for each half: the second would read and merge weights as well.
    """
    count = 0
    for graph in draft.graphs():
        seen: dict[tuple[object, ...], ir.Value] = {}
        for node in list(graph):
            if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
                continue
            tensor = constant_tensor(node)
            old = node.outputs[0]
            if tensor is None or old.is_graph_output():
                continue
            key = content(tensor)
            value = seen.get(key)
            if value is None:
                name, old.name = old.name or "", None
                value = seen[key] = draft.initializer(graph, tensor, name)
            ir.convenience.replace_all_uses_with(old, value)
            graph.remove(node, safe=True)
            count += 1
    return count


def take_known_branches(draft: Draft) -> int:
    """Replace each If whose condition is known by the branch that runs."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            if node.op_type != "If" or node.domain or not node.inputs:
                continue
            known = draft.facts.is_const(node.inputs[0])
            condition = draft.facts.const(node.inputs[0]) if known else None
            if condition is None or condition.size != 1:
                continue
            name = "then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"
            _splice(draft, graph, node, node.attributes[name].as_graph())
            count += 1
    draft.restructured()
    return count


def _splice(draft: Draft, graph: ir.Graph, at: ir.Node, branch: ir.Graph) -> None:
    taken = {v.name for n in graph for v in n.outputs} | set(graph.initializers)
    for value in list(branch.initializers.values()):
        tensor = value.const_value
        assert tensor is not None
        lifted = draft.initializer(graph, tensor, value.name or "")
        ir.convenience.replace_all_uses_with(value, lifted, replace_graph_outputs=True)
    results = list(branch.outputs)
    branch.outputs.clear()
    for node in list(branch):
        branch.remove(node)
        for value in node.outputs:
            if value.name in taken:
                value.name = f"{value.name}.{id(at):x}"
        graph.insert_before(at, node)
    for old, new in zip(list(at.outputs), results, strict=True):
        identity = ir.node("Identity", [new])
        identity.outputs[0].type, identity.outputs[0].shape = old.type, old.shape
        graph.insert_before(at, identity)
        name, old.name = old.name, None
        identity.outputs[0].name = name
        ir.convenience.replace_all_uses_with(old, identity.outputs[0], replace_graph_outputs=True)
        draft.facts.add(identity)
    graph.remove(at, safe=True)
