"""The graph while it is being normalised, with what is known of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import value_names


class Draft:
    """A model under change.

    `keep` holds the operators, (domain, name), that are not written out.

    Facts are strict here: no pass may rely on two sizes being equal unless the graph cannot run
    otherwise.
    """

    def __init__(
        self,
        model: ir.Model,
        target_opset: int | None,
        keep: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.model, self.target_opset, self.keep = model, target_opset, keep
        self._facts: Facts | None = None
        self._inner: list[ir.Graph] | None = None
        self._names: set[str] = set()

    @property
    def facts(self) -> Facts:
        """What is known of the graph; inferred when first asked for."""
        if self._facts is None:
            self._facts = Facts(self.model, assume=False)
        return self._facts

    def graphs(self) -> Iterator[ir.Graph]:
        """Yield the main graph and every graph inside it."""
        if self._inner is None:
            self._inner = list(self.model.graph.subgraphs())
        yield self.model.graph
        yield from self._inner

    def restructured(self) -> None:
        """Note that graphs inside the main one came or went."""
        self._inner = None

    def opset(self) -> int:
        """Return the version of the standard operators."""
        return self.model.opset_imports.get("", 0)

    def new_name(self) -> str:
        """Return a name no value of the model has."""
        if not self._names:
            self._names = value_names(self.model)
        name = f"normal.{len(self._names)}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def constant(self, graph: ir.Graph, array: np.ndarray) -> ir.Value:
        """Return a new initializer of the graph."""
        return self.initializer(graph, ir.tensor(array), self.new_name())

    def initializer(self, graph: ir.Graph, tensor: ir.TensorProtocol, name: str) -> ir.Value:
        """Return a tensor as a new initializer, under this name unless the graph has it."""
        name = self.new_name() if not name or name in graph.initializers else name
        shape = ir.Shape([int(d) for d in tensor.shape.numpy()])
        value = ir.Value(
            name=name, shape=shape, type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        graph.register_initializer(value)
        return value

    def insert(
        self,
        before: ir.Node,
        op_type: str,
        inputs: list[ir.Value | None],
        attributes: dict[str, int | float | str | list[int]] | None = None,
    ) -> ir.Value:
        """Put a new node in front of another and return its only output."""
        node = ir.node(op_type, inputs, attributes)
        node.outputs[0].name = self.new_name()
        graph = before.graph
        assert isinstance(graph, ir.Graph)
        graph.insert_before(before, node)
        self.facts.add(node)
        return node.outputs[0]

    def bypass(self, node: ir.Node, source: ir.Value) -> bool:
        """Let `source` take the place of a node's first output and remove the node.

        Returns False, changing nothing, where a graph output needs the node to keep its name.
        """
        old = node.outputs[0]
        graph = node.graph
        assert isinstance(graph, ir.Graph)
        if old.is_graph_output():
            producer = source.producer()
            if producer is None or producer.graph is not graph or source.is_graph_output():
                return False
            name, old.name = old.name, None
            source.name, source.type, source.shape = name, old.type, old.shape
            ir.convenience.replace_all_uses_with(old, source, replace_graph_outputs=True)
        else:
            ir.convenience.replace_all_uses_with(old, source)
        graph.remove(node, safe=True)
        return True
