"""Files as other tools write them: old opsets, functions, branches, loops, shared weights, junk.

Each maker returns a model of two layers (attention, residual, norm; one layer where a body holds
it), x [B, S, 32] in and y out. `FILES` names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

H, D = 4, 8
WIDTH = H * D
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Net:
    """Writes nodes for one opset.

    Args:
        opset: The version of the standard operators.
        prefix: What every name starts with.
        junk: Whether to sprinkle what exporters leave behind.
    """

    def __init__(self, opset: int = 17, prefix: str = "", *, junk: bool = False) -> None:
        self.opset, self.prefix, self.junk = opset, prefix, junk
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(7)

    def op(self, kind: str, *inputs: str, out: str = "", outputs: int = 1, **attrs: Any) -> str:
        """Add a node; return the name of its first output."""
        name = out or f"{self.prefix}v{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{name}", **attrs))
        return name

    def weight(self, name: str, array: np.ndarray) -> str:
        """Return the name of a weight, adding it once."""
        self.weights.setdefault(name, array)
        return name

    def ints(self, *numbers: int) -> str:
        return self.weight("i" + "_".join(map(str, numbers)), np.array(numbers, np.int64))

    def number(self, number: float) -> str:
        return self.weight(f"f{number}", np.array(number, np.float32))

    def matrix(self, name: str, *shape: int) -> str:
        if name not in self.weights:
            scale = shape[0] ** -0.5
            self.weight(name, (self.random.standard_normal(shape) * scale).astype(np.float32))
        return name

    def noise(self, x: str, place: int) -> str:
        """Return x after something that does nothing, as exporters leave it behind."""
        if not self.junk:
            return x
        kinds: list[Callable[[], str]] = [
            lambda: self.op("Identity", x),
            lambda: self.op("Cast", x, to=FLOAT),
            lambda: self.op("Dropout", x, outputs=2),
            lambda: self.op("Cast", self.op("Cast", x, to=TensorProto.DOUBLE), to=FLOAT),
            lambda: self.op("Mul", x, self.number(1.0)),
            lambda: self.op("Add", x, self.number(0.0)),
        ]
        return kinds[place % len(kinds)]()

    def norm(self, x: str, name: str) -> str:
        """Return the LayerNorm of x, written out."""
        mean = self.reduce("ReduceMean", x)
        centred = self.op("Sub", x, mean)
        spread = self.reduce("ReduceMean", self.op("Pow", centred, self.number(2.0)))
        root = self.op("Sqrt", self.op("Add", spread, self.number(1e-5)))
        scaled = self.op("Mul", self.op("Div", centred, root), self.matrix(f"{name}.g", WIDTH))
        return self.op("Add", scaled, self.matrix(f"{name}.b", WIDTH))

    def reduce(self, kind: str, x: str) -> str:
        if self.opset < 18:
            return self.op(kind, x, axes=[-1])
        return self.op(kind, x, self.ints(-1))

    def attention(self, x: str, name: str, mask: str = "") -> str:
        """Return self-attention of x, [B, S, 32] to [B, S, 32]; a mask is added to the scores."""
        q, k, v = (self.heads(x, f"{name}.{part}") for part in "qkv")
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.noise(self.op("Mul", scores, self.number(D**-0.5)), 0)
        if mask:
            scores = self.op("Add", scores, mask)
        probs = self.noise(self.op("Softmax", self.noise(scores, 1), axis=3), 2)
        mixed = self.op("Transpose", self.op("MatMul", probs, v), perm=[0, 2, 1, 3])
        merged = self.op("Reshape", mixed, self.ints(0, 0, WIDTH))
        return self.op("MatMul", merged, self.matrix(f"{name}.o", WIDTH, WIDTH))

    def heads(self, x: str, name: str) -> str:
        made = self.op("MatMul", x, self.matrix(name, WIDTH, WIDTH))
        split = self.op("Reshape", self.noise(made, 3), self.ints(0, 0, H, D))
        return self.noise(self.op("Transpose", split, perm=[0, 2, 1, 3]), 4)

    def layer(self, x: str, name: str, mask: str = "") -> str:
        """Return one transformer layer without its feed-forward half."""
        summed = self.op("Add", x, self.noise(self.attention(x, name, mask), 5))
        return self.norm(summed, f"{name}.n")

    def model(self, out: str, extra: Sequence[onnx.ValueInfoProto] = (), **more: Any) -> Any:
        """Return the model that computes `out` from x as y."""
        self.op("Identity", out, out="y")
        graph = helper.make_graph(
            self.nodes, "net", [value("x"), *extra], [value("y")], self.initializers()
        )
        imports = [helper.make_opsetid("", self.opset), *more.pop("imports", [])]
        ir_version = 4 if self.opset < 10 else 8
        return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, **more)

    def initializers(self) -> list[TensorProto]:
        return [numpy_helper.from_array(array, name) for name, array in self.weights.items()]

    def body(self, name: str, out: str, inputs: Sequence[onnx.ValueInfoProto] = (),
             outputs: Sequence[onnx.ValueInfoProto] | None = None) -> onnx.GraphProto:  # fmt: skip
        """Return the nodes as a body that shares the outer graph's weights."""
        ends = outputs if outputs is not None else [value(out)]
        return helper.make_graph(self.nodes, name, list(inputs), list(ends))


def value(name: str, kind: int = FLOAT, shape: Sequence[Any] = ("B", "S", WIDTH)) -> Any:
    """Return a declared value."""
    return helper.make_tensor_value_info(name, kind, shape)


def plain(opset: int = 17, *, junk: bool = False) -> onnx.ModelProto:
    """Two layers, nothing special."""
    net = Net(opset, junk=junk)
    return net.model(net.layer(net.layer("x", "a"), "b"))


def shared_weights() -> onnx.ModelProto:
    """Both layers read the same weights."""
    net = Net()
    return net.model(net.layer(net.layer("x", "a"), "a"))


def weights_as_inputs() -> onnx.ModelProto:
    """Every weight is listed among the inputs too, as files of IR version 3 have it."""
    model = plain(9)
    model.ir_version = 3
    listed = [value(t.name, t.data_type, list(t.dims)) for t in model.graph.initializer]
    model.graph.input.extend(listed)
    return model


def equal_names() -> onnx.ModelProto:
    """All nodes share one name."""
    model = plain()
    for node in model.graph.node:
        node.name = "op"
    return model


def no_names() -> onnx.ModelProto:
    """No node has a name, no graph either, and values are called by numbers and odd letters."""
    model = plain()
    renamed = {"x": "x", "y": "y"}
    for node in model.graph.node:
        node.name = ""
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                new = renamed.setdefault(name, f"{len(renamed)}:/ü .\t{len(renamed)}")
                names[i] = new
    for tensor in model.graph.initializer:
        tensor.name = renamed[tensor.name]
    return model


def dead_ends() -> onnx.ModelProto:
    """Nodes and weights that no output needs, and an output that is an input."""
    net = Net()
    out = net.layer(net.layer("x", "a"), "b")
    net.op("Softmax", net.op("MatMul", "x", net.matrix("unused", WIDTH, 3)))
    net.matrix("never", 4, 4)
    model = net.model(out)
    model.graph.output.append(value("x"))
    return model


def branches(mask: str = "") -> onnx.ModelProto:
    """An If whose branches hold a layer each and read the outer graph's weights.

    The mask's length has a name of its own: only inside a branch must it be the keys'.
    """
    outer = Net()
    x = outer.layer("x", "a")
    bodies = {}
    for name, layer in (("then_branch", "b"), ("else_branch", "c")):
        inner = Net(prefix=f"{layer}_")
        inner.weights = outer.weights
        out = inner.layer(x, layer, mask)
        bodies[name] = inner.body(name, out)
    out = outer.op("If", "flag", **bodies)
    inputs = [value("flag", BOOL, []), *([value(mask, shape=("B", 1, 1, "T"))] if mask else [])]
    return outer.model(out, inputs)


def loop() -> onnx.ModelProto:
    """A Loop that runs one layer three times."""
    outer = Net()
    inner = Net(prefix="l_")
    inner.weights = outer.weights
    out = inner.layer("state", "a")
    go = inner.op("Identity", "go")
    body = inner.body(
        "body", out, [value("turn", INT64, []), value("go", BOOL, []), value("state")],
        [value(go, BOOL, []), value(out)],
    )  # fmt: skip
    times = outer.weight("times", np.array(3, np.int64))
    yes = outer.weight("yes", np.array(True))
    return outer.model(outer.op("Loop", times, yes, outer.layer("x", "b"), body=body))


def branch_in_loop() -> onnx.ModelProto:
    """A Loop whose body decides by the turn which layer it runs."""
    outer, body = Net(), Net(prefix="l_")
    bodies = {}
    for name, layer in (("then_branch", "b"), ("else_branch", "c")):
        inner = Net(prefix=f"{layer}_")
        inner.weights = outer.weights
        bodies[name] = inner.body(name, inner.layer("state", layer))
    body.weights = outer.weights
    first = body.op("Less", "turn", outer.weight("one", np.array(1, np.int64)))
    out = body.op("If", first, **bodies)
    go = body.op("Identity", "go")
    graph = body.body(
        "body", out, [value("turn", INT64, []), value("go", BOOL, []), value("state")],
        [value(go, BOOL, []), value(out)],
    )  # fmt: skip
    times = outer.weight("times", np.array(2, np.int64))
    yes = outer.weight("yes", np.array(True))
    return outer.model(outer.op("Loop", times, yes, "x", body=graph))


def functions(*, nested: bool = False) -> onnx.ModelProto:
    """Each layer a call of one function; nested, the layer calls another for its attention."""
    domain = "somebody.else"
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    net, made = Net(), []
    parts = [f"a.{part}" for part in "qkvo"]
    body = Net(prefix="f_")
    if nested:
        core = Net(prefix="g_")
        out = core.attention("h", "a")
        made.append(_function(domain, "Attend", ["h", *parts], out, core, imports))
        mixed = body.op("Attend", "h", *parts, domain=domain)
    else:
        mixed = body.attention("h", "a")
    out = body.norm(body.op("Add", "h", mixed), "a.n")
    inputs = ["h", *parts, "a.n.g", "a.n.b"]
    made.append(_function(domain, "Layer", inputs, out, body, imports))
    x = "x"
    for layer in "ab":
        names = [net.matrix(f"{layer}.{part}", WIDTH, WIDTH) for part in "qkvo"]
        names += [net.matrix(f"{layer}.n.{part}", WIDTH) for part in "gb"]
        x = net.op("Layer", x, *names, domain=domain)
    return net.model(x, functions=made, imports=imports[1:])


def _function(
    domain: str, name: str, inputs: list[str], out: str, net: Net, imports: list[Any]
) -> onnx.FunctionProto:
    constants = [
        helper.make_node("Constant", [], [t.name], value=t)
        for t in net.initializers()
        if t.name not in inputs
    ]
    return helper.make_function(domain, name, inputs, [out], constants + net.nodes, imports)


# name -> (maker, attentions, norms)
FILES: dict[str, tuple[Callable[[], onnx.ModelProto], int, int]] = {
    **{f"opset {n}": (lambda n=n: plain(n), 2, 2) for n in (7, 9, 10, 11, 12, 13, 18, 21, 23)},
    "exporter junk": (lambda: plain(junk=True), 2, 2),
    "exporter junk, opset 11": (lambda: plain(11, junk=True), 2, 2),
    "shared weights": (shared_weights, 2, 2),
    "weights listed as inputs": (weights_as_inputs, 2, 2),
    "equal node names": (equal_names, 2, 2),
    "no names": (no_names, 2, 2),
    "dead ends": (dead_ends, 2, 2),
    "If branches": (branches, 3, 3),
    "If branches, masked": (lambda: branches("mask"), 3, 3),
    "Loop body": (loop, 2, 2),
    "If in a Loop": (branch_in_loop, 2, 2),
    "functions": (functions, 2, 2),
    "nested functions": (lambda: functions(nested=True), 2, 2),
}
