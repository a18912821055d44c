"""Facts: what is true of every tensor of a graph, whatever the sizes of its inputs.

Shapes are inferred forward, together with the contents of small integer tensors (the shape
computations), because exporters write target shapes as chains of Shape, Gather, Mul and Concat,
and TorchScript files declare no intermediate shapes at all. Declared shapes only refine what
inference leaves open. Two sizes that an operator needs to be equal are made one and recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.call import Call, Outer
from pipeline.graph.inference.consts import Constants, stored, tensor_info
from pipeline.graph.inference.declared import declared_info
from pipeline.graph.inference.info import UNKNOWN, Dims, Info
from pipeline.graph.inference.table import TABLE
from pipeline.graph.inference.unify import ContradictionError, Unifier
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.sizes.polynomials import Atom


class Facts(Outer):
    """Symbolic shapes, types and values of a model's tensors.

    Attributes:
        equalities: Pairs of sizes that are equal whenever the graph runs at all.
        assumed: Pairs that are equal unless one of them is 1 (a broadcast between two sizes
            declared separately), or that bind only inside a branch.
        doubts: Nodes whose inputs or attributes contradict their operator; nothing is claimed
            of their outputs.
        contradictions: Those among them outside of branches for which no input can run.
    """

    def __init__(self, model: ir.Model, *, assume: bool = True) -> None:
        """Infer the whole model.

        Args:
            model: The graph with its opset versions; it is not changed.
            assume: Whether sizes declared separately that meet in a broadcast are taken to be
                equal. Without, every claim holds for every input the graph accepts.
        """
        self.unifier = Unifier(assume)
        self._model = model
        self._infos: dict[ir.Value, Info] = {}
        self._constants = Constants(self._infos, model.opset_imports)
        self._declared = declared_info(model.graph)
        self._bodies: dict[ir.Graph, dict[Atom, Dim]] = {}
        self.doubts: list[str] = []
        self.contradictions: list[str] = []
        self._infer_graph(model.graph)
        if self.unifier.bindings:
            # What is equal is known now: sizes that were open the first time may be settled.
            self._infer_nodes(model.graph)

    @property
    def equalities(self) -> list[tuple[Dim, Dim]]:
        """Pairs of sizes that are equal whenever the graph runs."""
        return self.unifier.equalities

    @property
    def assumed(self) -> list[tuple[Dim, Dim]]:
        """Pairs of sizes taken to be equal though one of them might be 1."""
        return self.unifier.assumed

    def is_main(self, graph: ir.Graph) -> bool:
        """Return whether a graph is the model's own and no body inside it."""
        return graph is self._model.graph

    def shape(self, value: ir.Value | None) -> Dims | None:
        """Return the dims of a value, None when not even its rank is known."""
        return self.info_of(value).shape

    def declared_shape(self, value: ir.Value) -> Dims | None:
        """Return the shape the file declares, before any size was found equal to another."""
        declared = self._declared.get(value)
        return None if declared is None else declared.shape

    def dtype(self, value: ir.Value | None) -> ir.DataType | None:
        """Return the element type of a value."""
        return self.info_of(value).dtype

    def ints(self, value: ir.Value | None) -> Dims | None:
        """Return the symbolic contents of an integer or boolean tensor of rank 0 or 1."""
        info = self.info_of(value)
        if info.dtype is None or info.dtype.is_floating_point() or len(info.shape or ()) > 1:
            return None
        return info.ints

    def const(self, value: ir.Value | None) -> np.ndarray | None:
        """Return a constant's value, reading it from disk if it is a weight; None if it varies."""
        if value is None:
            return None
        tensor = stored(value)
        if tensor is not None:
            return None if tensor.dtype == ir.DataType.STRING else tensor.numpy()
        return self._constants.value(value)

    def is_const(self, value: ir.Value | None) -> bool:
        """Return whether `const` would find a value, without reading or computing it."""
        return value is not None and (stored(value) is not None or self._constants.has(value))

    def scalar(self, value: ir.Value | None) -> float | None:
        """Return the number a constant holds if all its elements are one number, else None.

        Views of a one-element constant (Expand, Unsqueeze, Cast) count as well, and tensors of
        any size filled with one number.
        """
        seen = 0
        while value is not None and seen < 16:
            info = self.info_of(value)
            if info.ints is not None and info.ints and len(set(info.ints)) == 1:
                number = info.ints[0].const
                return None if number is None else float(number)
            array = self._constants.one_element(value)
            if array is not None:
                return float(array.reshape(-1)[0])
            producer = value.producer()
            if producer is not None and producer.op_type == "ConstantOfShape":
                return _filling(producer)
            if producer is None or producer.op_type not in _VIEWS or not producer.inputs:
                return None
            value, seen = producer.inputs[0], seen + 1
        return None

    def add(self, node: ir.Node) -> None:
        """Infer a node built after the graph was analysed, and everything it needs."""
        self._infer_node(node)

    def forget(self, value: ir.Value) -> None:
        """Drop what is known of a value that leaves the graph."""
        self._infos.pop(value, None)
        self._constants.forget(value)

    def replaced(self, old: ir.Value, new: ir.Value) -> None:
        """Carry what is known of one value over to the value that takes its place."""
        if old in self._infos:
            self._infos[new] = self._infos[old]

    # What inference functions ask (Outer).

    def info_of(self, value: ir.Value | None) -> Info:
        """Return everything known of a value."""
        if value is None:
            return UNKNOWN
        info = self._infos.get(value)
        if info is None:
            tensor = stored(value)
            if tensor is None:
                return UNKNOWN
            info = self._infos[value] = tensor_info(tensor)
        if not self.unifier.bindings:
            return info
        resolve = self.unifier.resolve
        return Info(resolve(info.shape), info.dtype, resolve(info.ints))

    def small_const(self, value: ir.Value) -> np.ndarray | None:
        """Return the value of a constant that is small, None if it is large or varies."""
        return self._constants.value(value)

    def infer_body(self, graph: ir.Graph, inputs: Sequence[Info]) -> list[Info]:
        """Infer a subgraph; equalities found inside it bind only there."""
        for value, info in zip(graph.inputs, inputs, strict=False):
            self._infos[value] = info
        before = dict(self.unifier.bindings)
        self.unifier.branch_depth += 1
        self._infer_nodes(graph)
        values = [v for node in graph for v in node.outputs]
        for value in values:
            self._infos[value] = self.info_of(value)
        outputs = [self.info_of(v) for v in graph.outputs]
        self.unifier.branch_depth -= 1
        self._bodies[graph] = dict(self.unifier.bindings)
        self.unifier.bindings.clear()
        self.unifier.bindings.update(before)
        return outputs

    @contextmanager
    def inside(self, graph: ir.Graph) -> Iterator[None]:
        """For a while, take sizes to be equal that the nodes of a body need to be equal."""
        outer = dict(self.unifier.bindings)
        self.unifier.bindings.update(self._bodies.get(graph, {}))
        self.unifier.branch_depth += graph in self._bodies
        try:
            yield
        finally:
            if graph in self._bodies:
                self.unifier.branch_depth -= 1
                self.unifier.bindings.clear()
                self.unifier.bindings.update(outer)

    # Inference.

    def _infer_graph(self, graph: ir.Graph) -> None:
        for value in graph.inputs:
            self._infos[value] = self._declared.get(value, UNKNOWN)
        self._infer_nodes(graph)

    def _infer_nodes(self, graph: ir.Graph) -> None:
        for node in graph:
            self._infer_node(node)

    def _infer_node(self, node: ir.Node) -> None:
        domain = "" if node.domain == "ai.onnx" else node.domain
        infer = TABLE.get((domain, node.op_type))
        outputs: Sequence[Info] = ()
        if infer is not None:
            version = self._model.opset_imports.get(domain, 1)
            infos = [None if v is None else self.info_of(v) for v in node.inputs]
            try:
                outputs = infer(Call(node, infos, self, version))
            except _CONTRADICTIONS as error:
                told = f"{node.op_type} node {node.name}: {error}"
                self.doubts.append(told)
                if isinstance(error, ContradictionError) and not self.unifier.branch_depth:
                    self.contradictions.append(told)
        for i, value in enumerate(node.outputs):
            info = self.unifier.settled(outputs[i]) if i < len(outputs) else UNKNOWN
            self._infos[value] = self._refined(value, info)
            self.unifier.seen(info.shape)
        if not domain:
            self._constants.mark(node)

    def _refined(self, value: ir.Value, info: Info) -> Info:
        """Return the inferred facts, with what the file declares where they are silent."""
        declared = self._declared.get(value)
        if declared is None:
            return info
        dtype = info.dtype or declared.dtype
        if declared.shape is None or info.shape is None:
            open_dims = info.shape is None and declared.shape is not None
            shape = self._opened(declared.shape) if open_dims else info.shape
            return Info(shape, dtype, info.ints)
        if len(declared.shape) == len(info.shape):
            for mine, theirs in zip(info.shape, declared.shape, strict=True):
                if _is_open(mine) and not _is_open(theirs):
                    self.unifier.unify(mine, theirs)
        return Info(info.shape, dtype, info.ints)

    def _opened(self, shape: Dims | None) -> Dims | None:
        """Return a declared shape with a fresh size for each one the file leaves open."""
        if shape is None:
            return None
        return tuple(self.unifier.fresh() if _is_open(d) else d for d in shape)


_VIEWS = frozenset(
    {"Identity", "Cast", "Expand", "Tile", "Unsqueeze", "Squeeze", "Reshape", "CastLike"}
)


# What inference raises on a graph that asks for the impossible, e.g. a negative rank.
_CONTRADICTIONS = (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError)


def _filling(node: ir.Node) -> float:
    """Return the number a ConstantOfShape node fills its output with."""
    value = node.attributes.get("value")
    return 0.0 if value is None else float(value.as_tensor().numpy().reshape(-1)[0])


def _is_open(dim: Dim) -> bool:
    """Return whether the size is a name nothing is known about, and nothing more."""
    return len(dim.atoms) == 1 and str(dim).startswith("$")
