"""Building replacement nodes beside a graph, before anything is committed to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

if TYPE_CHECKING:
    from pipeline.graph.inference.facts import Facts

Operand = ir.Value | np.ndarray | int | float | None

RULE = "pipeline.rule"  # names the lowering that made a node
APART = "pipeline.apart"  # marks nodes that are never merged with equal ones


def value_names(model: ir.Model) -> set[str]:
    """Return the names of all values of a model, those in bodies included."""
    found: set[str | None] = set()
    for graph in (model.graph, *model.graph.subgraphs()):
        found |= {value.name for value in (*graph.inputs, *graph.initializers.values())}
        found |= {value.name for node in graph for value in node.outputs}
    return {name for name in found if name}


class Shared:
    """What the replacements of one model share: names not yet taken, and equal constants.

    Args:
        taken: Names of values already in the model.
        home: The outermost graph, where every body sees the constants; without it they belong
            to the graph of the first site.
    """

    def __init__(self, taken: Iterable[str] = (), home: ir.Graph | None = None) -> None:
        self.taken = set(taken)
        self.home = home
        self.constants: dict[tuple[object, ...], ir.Value] = {}
        self._scaled: set[ir.Value] = set()

    def is_first_scaling(self, base: ir.Value) -> bool:
        """Return whether nobody asked this of the value before; a second must look different."""
        first = base not in self._scaled
        self._scaled.add(base)
        return first

    def name(self, hint: str) -> str:
        """Return a name nobody has, and take it."""
        number = len(self.taken)
        while (name := f"pipeline.{hint}.{number}") in self.taken:
            number += 1
        self.taken.add(name)
        return name


class Emitter:
    """Collects the nodes of one replacement; the graph is untouched until `commit`.

    Args:
        facts: Told about every node, so that lowerings can ask for the shapes of new values.
        like: The node whose metadata (module path) the new nodes inherit.
        rule: The lowering's name, recorded on every node it makes.
        sources: Values that are available everywhere (graph inputs), to read sizes from.
        shared: Names in use, and constants made for other sites.
    """

    def __init__(
        self,
        facts: Facts,
        like: ir.Node,
        rule: str,
        sources: Sequence[ir.Value] = (),
        shared: Shared | None = None,
    ) -> None:
        self.facts, self.like, self.rule, self.sources = facts, like, rule, tuple(sources)
        self.shared = Shared() if shared is None else shared
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []

    def op(
        self,
        op_type: str,
        inputs: Sequence[Operand],
        attrs: Mapping[str, object] | None = None,
        *,
        domain: str = "",
        outputs: int = 1,
    ) -> tuple[ir.Value, ...]:
        """Return the outputs of a new node; arrays and numbers become constants."""
        values = [self._value(x) for x in inputs]
        while values and values[-1] is None:
            values.pop()
        given: dict[str, Any] = dict(attrs or {})
        node = ir.node(
            op_type,
            values,
            given,
            domain=domain,
            num_outputs=outputs,
        )
        node.metadata_props.update({k: v for k, v in self.like.metadata_props.items() if k != RULE})
        node.metadata_props[RULE] = self.rule
        for value in node.outputs:
            value.name = self.shared.name(self.rule)
        self.nodes.append(node)
        self.facts.add(node)
        return tuple(node.outputs)

    def apart(self, value: ir.Value) -> ir.Value:
        """Return a new value whose node is never merged with an equal one."""
        node = value.producer()
        assert node is not None
        node.metadata_props[APART] = "true"
        return value

    def one(
        self,
        op_type: str,
        inputs: Sequence[Operand],
        attrs: Mapping[str, object] | None = None,
        *,
        domain: str = "",
    ) -> ir.Value:
        """Return the single output of a new node."""
        return self.op(op_type, inputs, attrs, domain=domain)[0]

    def ints(self, numbers: Sequence[int]) -> ir.Value:
        """Return an int64 vector constant."""
        return self.const(np.asarray(numbers, dtype=np.int64))

    def const(self, array: np.ndarray) -> ir.Value:
        """Return a constant holding the array; equal constants are one value."""
        key = (array.dtype.str, array.shape, array.tobytes())
        value = self.shared.constants.get(key)
        if value is None:
            value = self.shared.constants[key] = ir.Value(
                name=self.shared.name("constant"),
                type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
                shape=ir.Shape(array.shape),
                const_value=ir.tensor(np.ascontiguousarray(array).reshape(array.shape)),
            )
        self.constants.append(value)
        return value

    def weight(self, array: np.ndarray, dtype: ir.DataType | None = None) -> ir.Value:
        """Return a constant of its own, whose contents are not compared with others'.

        Args:
            array: The numbers.
            dtype: What they are stored as, where that is narrower than the array holds them.
        """
        kind = dtype or ir.DataType.from_numpy(array.dtype)
        value = ir.Value(
            name=self.shared.name("weight"),
            type=ir.TensorType(kind),
            shape=ir.Shape(array.shape),
            const_value=ir.tensor(np.ascontiguousarray(array).astype(kind.numpy(), copy=False)),
        )
        self.constants.append(value)
        return value

    def _value(self, operand: Operand) -> ir.Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        if isinstance(operand, int) and not isinstance(operand, bool):
            return self.const(np.asarray(operand, dtype=np.int64))
        if isinstance(operand, float):
            return self.const(np.asarray(operand, dtype=np.float32))
        return self.const(np.asarray(operand))
