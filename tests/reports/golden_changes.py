"""A graph with a bit of everything, and changes of it that must or must not show in a digest."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

Change = Callable[[onnx.ModelProto], object]
TEXT = """
<ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1, "local" : 1]>
main (float[N, 3] x, float[N, 3] y, bool on) => (float[N, 3] first, float[N, 3] second, float z)
<float[3] weight = {0.5, -1.5, 2.5}, float[3] other = {1.0, 2.0, 3.0},
 float[1] one = {1.0}, int64[1] axes = {1}, float[N, 3] shared, float[N, 3] minus>
{
    shared = Exp (x)
    left = Mul (shared, weight)
    right = Mul (shared, other)
    minus = Sub (left, right)
    soft = Softmax <axis = 1> (minus)
    first = com.microsoft.FastGelu (soft)
    low = Neg (y)
    one0 = Constant <value_float = 4.0> ()
    second = If (on) <
        then_branch = yes () => (float[N, 3] a) { b = Add (shared, low)  a = Mul (b, one) },
        else_branch = no () => (float[N, 3] c) { c = Clip (low, , one0) }
    >
    double = local.twice <scale = 2.0> (y)
    z = ReduceSum <keepdims = 0> (double)
}
<domain: "local", opset_import: ["" : 20]>
twice <scale> (u) => (w) { v = Constant <value_float: float = @scale> ()  w = Mul (u, v) }
"""


def build() -> onnx.ModelProto:
    model = parser.parse_model(TEXT)
    onnx.checker.check_model(model)
    return model


def node_of(model: onnx.ModelProto, output: str) -> onnx.NodeProto:
    return next(node for graph in graphs(model.graph) for node in graph.node
                if output in node.output)  # fmt: skip


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(t for t in model.graph.initializer if t.name == name)


def put(model: onnx.ModelProto, name: str, array: np.ndarray) -> None:
    tensor(model, name).CopyFrom(numpy_helper.from_array(array, name))


def fill(field: Any, items: Iterable[Any]) -> None:
    """Put items into a repeated field, in place of what it holds."""
    items = copy.deepcopy(list(items))
    del field[:]
    field.extend(items)


# What must change nothing.


def rename_everything(model: onnx.ModelProto) -> None:
    kept = {value.name for value in [*model.graph.input, *model.graph.output]} | {""}
    model.graph.name = "another"

    def name(old: str) -> str:
        return old if old in kept else f"renamed_{hash(old) % 10**9}"

    for graph in graphs(model.graph):
        for node in graph.node:
            node.name = f"node {len(node.output)}"
            node.input[:] = [name(old) for old in node.input]
            node.output[:] = [name(old) for old in node.output]
        for item in [*graph.initializer, *graph.value_info, *graph.output]:
            item.name = name(item.name)
    for function in model.functions:
        function.input[:] = ["p"]
        function.node[1].input[0] = "p"


def reverse_what_is_independent(model: onnx.ModelProto) -> None:
    """Sort the nodes anew, the last that may come first each time."""
    left, known = list(model.graph.node), {v.name for v in model.graph.input}
    known |= {t.name for t in model.graph.initializer} | {""}
    done = []
    while left:
        ready = [n for n in left if reads(n) <= known | inner(n)]
        done.append(ready[-1])
        left.remove(ready[-1])
        known |= set(ready[-1].output)
    assert done != list(model.graph.node)
    fill(model.graph.node, done)


def reads(node: onnx.NodeProto) -> set[str]:
    bodies = [a.g for a in node.attribute if a.HasField("g")]
    return set(node.input).union(*(reads(n) for body in bodies for n in body.node))


def inner(node: onnx.NodeProto) -> set[str]:
    return {name for a in node.attribute if a.HasField("g")
            for n in a.g.node for name in n.output}  # fmt: skip


def reorder_initializers_and_attributes(model: onnx.ModelProto) -> None:
    for items in (model.graph.initializer, node_of(model, "second").attribute):
        fill(items, reversed(items))


def store_otherwise(model: onnx.ModelProto) -> None:
    assert tensor(model, "weight").float_data
    put(model, "weight", numpy_helper.to_array(tensor(model, "weight")))
    assert tensor(model, "weight").raw_data


def annotate(model: onnx.ModelProto) -> None:
    model.producer_name = "someone"
    model.graph.doc_string = "words"
    node_of(model, "soft").doc_string = "words"
    node_of(model, "soft").metadata_props.add(key="k", value="v")
    del model.graph.value_info[:]


SAME = [rename_everything, reverse_what_is_independent, reorder_initializers_and_attributes,
        store_otherwise, annotate]  # fmt: skip


# What must show.


def edit(output: str, /, **fields: object) -> Change:
    """Return a change of some fields of the node that makes a value."""

    def change(model: onnx.ModelProto) -> None:
        node = node_of(model, output)
        for name, value in fields.items():
            if isinstance(value, list):
                fill(getattr(node, name), value)
            else:
                setattr(node, name, value)

    return change


def weight(new: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Return a change of one initializer's contents."""

    def change(model: onnx.ModelProto) -> None:
        put(model, "weight", new(numpy_helper.to_array(tensor(model, "weight"))))

    return change


def one_ulp(array: np.ndarray) -> np.ndarray:
    return np.array([array[0], np.nextafter(array[1], np.float32(0)), array[2]])


def exchange_branches(model: onnx.ModelProto) -> None:
    yes, no = node_of(model, "second").attribute
    yes.name, no.name = no.name, yes.name


def duplicate_a_shared_node(model: onnx.ModelProto) -> None:
    edit("right", input=["shared again", "other"])(model)
    model.graph.node.insert(0, helper.make_node("Exp", ["x"], ["shared again"]))


def share_one_constant(model: onnx.ModelProto) -> None:
    edit("right", input=["shared", "weight"])(model)
    model.graph.initializer.remove(tensor(model, "other"))


def copy_one_constant(model: onnx.ModelProto) -> None:
    put(model, "other", numpy_helper.to_array(tensor(model, "weight")))


def make_an_initializer_a_node(model: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["weight"], value=tensor(model, "weight"))
    model.graph.initializer.remove(tensor(model, "weight"))
    model.graph.node.insert(0, constant)


def rename_an_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "x2"
    edit("shared", input=["x2"])(model)


def rename_an_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "first2"
    edit("first", output=["first2"])(model)


def exchange_outputs(model: onnx.ModelProto) -> None:
    first, second = node_of(model, "first"), node_of(model, "second")
    first.output[0], second.output[0] = "second", "first"


def port(place: str, index: int) -> Callable[[onnx.ModelProto], onnx.TypeProto.Tensor]:
    return lambda model: getattr(model.graph, place)[index].type.tensor_type


DIFFERENT: dict[str, Change] = {
    "operands swapped": edit("minus", input=["right", "left"]),
    "operands swapped in a branch": edit("b", input=["low", "shared"]),
    "operator": edit("low", op_type="Abs"),
    "operator in a branch": edit("b", op_type="Sub"),
    "operator in a function": lambda m: setattr(m.functions[0].node[1], "op_type", "Add"),
    "domain": edit("first", domain="local"),
    "attribute": lambda m: setattr(node_of(m, "soft").attribute[0], "i", 0),
    "attribute dropped": edit("soft", attribute=[]),
    "name of an attribute": lambda m: setattr(node_of(m, "soft").attribute[0], "name", "axes"),
    "type of an attribute": edit("soft", attribute=[helper.make_attribute("axis", [1])]),
    "outer value that a branch reads": edit("b", input=["left", "low"]),
    "branches exchanged": exchange_branches,
    "shared node duplicated": duplicate_a_shared_node,
    "constant shared": share_one_constant,
    "constant copied": copy_one_constant,
    "initializer made a node": make_an_initializer_a_node,
    "one weight by one unit": weight(one_ulp),
    "type of a weight": weight(lambda array: array.view(np.int32)),
    "shape of a weight": weight(lambda array: array[None]),
    "unused constant": lambda m: m.graph.initializer.add(name="unused", data_type=1, dims=[0]),
    "unused node": lambda m: m.graph.node.append(helper.make_node("Exp", ["soft"], ["nobody's"])),
    "place of an absent input": edit("c", input=["low", "one0"]),
    "further output of a node": edit("soft", output=["soft", "extra"]),
    "name of an input": rename_an_input,
    "name of an output": rename_an_output,
    "outputs exchanged": exchange_outputs,
    "size of an input": lambda m: setattr(port("input", 0)(m).shape.dim[0], "dim_value", 2),
    "name of a size": lambda m: setattr(port("output", 0)(m).shape.dim[0], "dim_param", "M"),
    "type of an output": lambda m: setattr(port("output", 2)(m), "elem_type", 10),
    "opset": lambda m: setattr(m.opset_import[0], "version", 21),
    "opset of a function": lambda m: setattr(m.functions[0].opset_import[0], "version", 21),
}
