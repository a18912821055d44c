"""Cutting a region out of a graph, with its replacement, as two small models that can be run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.operators import ATTENTIONS, CONTROL_FLOW, PLAIN_NORMS, RESIDUAL_NORMS

MAX_NODES = 400
BIG_BYTES = 1024
HEAVY_OPS = frozenset(
    {
        *("MatMul", "Gemm", "Conv", "ConvTranspose", "MatMulNBits", "FusedMatMul", "LSTM", "GRU"),
        *(ATTENTIONS | PLAIN_NORMS | RESIDUAL_NORMS | CONTROL_FLOW),
    }
)


class RegionError(Exception):
    """The region cannot be cut so that it runs on its own."""


@dataclass(frozen=True, eq=False)
class Region:
    """Two models over the same inputs: the original nodes and their replacement.

    Attributes:
        before, after: Models with outputs o0, o1, ... and inputs i0, i1, ...
        inputs: The values of the graph that the inputs stand for, in order.
        shapes: Their symbolic shapes.
        digest: Equal for regions that differ only in the contents of large constants.
    """

    before: ir.Model
    after: ir.Model
    inputs: tuple[ir.Value, ...]
    shapes: tuple[tuple[Dim, ...], ...]
    digest: str


class _Copy:
    """Copies the ancestors of some values into a graph, down to a shared set of inputs."""

    def __init__(self, cutter: _Cutter) -> None:
        self.cutter = cutter
        self.values: dict[ir.Value, ir.Value] = {}
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self.record: list[str] = []

    def model(self, outputs: Sequence[ir.Value], opsets: dict[str, int]) -> ir.Model:
        """Return a model that computes the outputs."""
        self._copy(outputs)
        results = [self.values[value] for value in outputs]
        finals: list[ir.Value] = []
        for i, (result, value) in enumerate(zip(results, outputs, strict=True)):
            if result.producer() is None or result in finals:
                node = ir.node("Identity", [result])
                self.nodes.append(node)
                result = node.outputs[0]
            result.name, result.type = f"o{i}", value.type
            finals.append(result)
        inputs = [self.values[v] for v in self.cutter.inputs if v in self.values]
        graph = ir.Graph(
            inputs, finals, nodes=self.nodes, initializers=self.initializers, opset_imports=opsets
        )
        return ir.Model(graph, ir_version=10)

    def _copy(self, outputs: Sequence[ir.Value]) -> None:
        stack = [(value, False) for value in reversed(outputs)]
        while stack:
            value, ready = stack.pop()
            if value in self.values:
                continue
            node = value.producer()
            constant = self.cutter.constant(value)
            if constant is not None:
                self._constant(value, constant)
            elif node is None or self.cutter.stops(value, node):
                self._input(value)
            elif ready:
                self._node(node)
            else:
                stack.append((value, True))
                stack.extend((x, False) for x in node.inputs if x is not None)

    def _constant(self, value: ir.Value, tensor: ir.TensorProtocol) -> None:
        copy = ir.Value(
            name=f"c{len(self.initializers)}_{len(self.values)}",
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(tensor.shape.numpy()),
            const_value=tensor,
        )  # fmt: skip
        self.values[value] = copy
        self.initializers.append(copy)
        mark = self.cutter.constant_mark(value, tensor)
        self.record.append(mark)

    def _input(self, value: ir.Value) -> None:
        index = self.cutter.input_index(value)
        kind = self.cutter.facts.dtype(value)
        if kind is None:
            raise RegionError(f"the type of {value.name} is unknown")
        copy = ir.Value(name=f"i{index}", type=ir.TensorType(kind))
        shape = self.cutter.shapes[index]
        copy.shape = ir.Shape([d.const if d.const is not None else str(d) for d in shape])
        self.values[value] = copy
        self.record.append(f"in {index} {kind} {shape}")

    def _node(self, node: ir.Node) -> None:
        if len(self.nodes) > MAX_NODES:
            raise RegionError(f"the region has more than {MAX_NODES} nodes")
        inputs = [None if x is None else self.values[x] for x in node.inputs]
        copy = ir.Node(
            node.domain, node.op_type, inputs, tuple(node.attributes.values()),
            num_outputs=len(node.outputs),
        )  # fmt: skip
        place = {id(v): k for k, v in enumerate(self.values.values())}
        for old, new in zip(node.outputs, copy.outputs, strict=True):
            new.name = f"v{len(self.values)}"
            new.type = old.type
            self.values[old] = new
        self.nodes.append(copy)
        wires = [-1 if x is None else place[id(x)] for x in inputs]
        attrs = sorted(f"{k}={a.value!s:.200}" for k, a in node.attributes.items())
        self.record.append(f"{node.domain}.{node.op_type} {wires} {attrs} {len(node.outputs)}")


class _Cutter:
    def __init__(
        self, facts: Facts, inner: Collection[ir.Node], operands: Collection[ir.Value]
    ) -> None:
        self.facts, self.inner, self.operands = facts, set(inner), set(operands)
        self.inputs: list[ir.Value] = []
        self.shapes: list[tuple[Dim, ...]] = []
        self._constants: dict[ir.Value, int] = {}

    def constant(self, value: ir.Value) -> ir.TensorProtocol | None:
        """Return the tensor of an initializer or constant, None for anything computed."""
        if value.const_value is not None and not value.is_graph_input():
            return value.const_value
        return None

    def stops(self, value: ir.Value, node: ir.Node) -> bool:
        """Whether the region ends at the value, which is then fed."""
        if value in self.operands:
            return True
        if node in self.inner:
            return False
        kind = self.facts.dtype(value)
        if kind is None or not kind.is_floating_point() or self.facts.shape(value) is None:
            if node.op_type in CONTROL_FLOW:
                raise RegionError(f"{node.op_type} decides what the region computes")
            return False
        if node.op_type == "DequantizeLinear":  # above it numbers are rounded: a cliff, not noise
            return not self.facts.is_const(value) and not self.facts.is_const(node.inputs[0])
        return node.op_type in HEAVY_OPS

    def input_index(self, value: ir.Value) -> int:
        """Return the position of a region input, adding it."""
        if value not in self.inputs:
            shape = self.facts.shape(value)
            if shape is None:
                raise RegionError(f"the shape of {value.name} is unknown")
            self.inputs.append(value)
            self.shapes.append(shape)
        return self.inputs.index(value)

    def constant_mark(self, value: ir.Value, tensor: ir.TensorProtocol) -> str:
        """Return what identifies a constant: its contents when small, else its shape and place."""
        number = self._constants.setdefault(value, len(self._constants))
        head = f"const {number} {tensor.dtype} {tuple(tensor.shape)}"
        if tensor.nbytes > BIG_BYTES or (tensor.dtype.is_floating_point() and tensor.size > 16):
            return head
        return f"{head} {tensor.numpy().tobytes().hex()}"


def cut(
    before: Sequence[ir.Value],
    after: Sequence[ir.Value],
    inner: Collection[ir.Node],
    operands: Collection[ir.Value],
    facts: Facts,
    opsets: dict[str, int],
) -> Region:
    """Return the region between the operands and the outputs, and its replacement.

    The region reaches up to `operands`, graph inputs and constants; elsewhere only float values
    made by heavy operators are fed, so that masks and tables are recomputed from their sources.

    Args:
        before: The values to be replaced.
        after: Their replacements, nodes of which are not yet in the graph.
        inner: Nodes that belong to the region whatever they are.
        operands: Values that are fed with noise.
        facts: Shapes and types of all of them.
        opsets: Operator set imports of the region.

    Raises:
        RegionError: It cannot be cut.
    """
    cutter = _Cutter(facts, inner, operands)
    old, new = _Copy(cutter), _Copy(cutter)
    first, second = old.model(before, opsets), new.model(after, opsets)
    text = "\n".join([*old.record, "--", *new.record, *(str(s) for s in cutter.shapes)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Region(first, second, tuple(cutter.inputs), tuple(cutter.shapes), digest)
