"""Constant tensors: which values are constant, and their values on demand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.evaluate import evaluate_node, is_deterministic
from pipeline.graph.inference.info import INTS_LIMIT, Info
from pipeline.graph.sizes.dims import Dim

FOLD_LIMIT = 2**20  # most elements of a constant that is computed rather than stored
FOLD_BUDGET = 2**28  # most bytes of such constants held at a time


def info_of_array(array: np.ndarray, dtype: ir.DataType) -> Info:
    """Return what is known of a constant."""
    shape = tuple(Dim.of(d) for d in array.shape)
    return Info(shape, dtype, ints_of_array(array))


def ints_of_array(array: np.ndarray) -> tuple[Dim, ...] | None:
    """Return the contents of a small constant when all are whole numbers."""
    if array.size > INTS_LIMIT or array.dtype.kind not in "iubf":
        return None
    flat = array.reshape(-1)
    if array.dtype.kind == "f" and not (np.isfinite(flat).all() and (flat == flat.round()).all()):
        return None
    return tuple(Dim.of(int(x)) for x in flat)


def constant_tensor(node: ir.Node) -> ir.TensorProtocol | None:
    """Return the tensor of a Constant node, None for sparse ones and lists of strings.

    onnx-ir's `get_const_tensor` raises on sparse ones, and names the tensor anew.
    """
    for name, attribute in node.attributes.items():
        value = attribute.value
        if name == "value" and isinstance(value, ir.TensorProtocol):
            return value
        if name in ("value_int", "value_ints"):
            return ir.tensor(value, dtype=ir.DataType.INT64)
        if name in ("value_float", "value_floats"):
            return ir.tensor(value, dtype=ir.DataType.FLOAT)
    return None


def constant_node_value(node: ir.Node) -> np.ndarray | None:
    """Return the value of a Constant node, None for sparse ones and strings."""
    tensor = constant_tensor(node)
    return None if tensor is None or tensor.dtype == ir.DataType.STRING else tensor.numpy()


def stored(value: ir.Value) -> ir.TensorProtocol | None:
    """Return the tensor of an initializer that no caller can override."""
    # A value outside any graph that no node makes is a constant a lowering has just emitted.
    fixed = value.is_initializer() or (value.graph is None and value.producer() is None)
    return value.const_value if fixed and not value.is_graph_input() else None


def tensor_info(tensor: ir.TensorProtocol) -> Info:
    """Return what is known of a stored tensor; its data is read only if it is tiny."""
    if tensor.size <= INTS_LIMIT and tensor.dtype != ir.DataType.STRING:
        return info_of_array(tensor.numpy(), tensor.dtype)
    return Info(tuple(Dim.of(int(d)) for d in tensor.shape.numpy()), tensor.dtype)


class Constants:
    """The values that never change, computed when asked for.

    Attributes:
        infos: What is known of each value; kept up to date by the owner.
    """

    def __init__(self, infos: Mapping[ir.Value, Info], opsets: Mapping[str, int]) -> None:
        self.infos, self._opsets = infos, opsets
        self._foldable: set[ir.Value] = set()
        self._values: dict[ir.Value, np.ndarray | None] = {}
        self._spent = 0

    def has(self, value: ir.Value) -> bool:
        """Return whether a value can be computed, without computing it."""
        return value in self._foldable or self._known_contents(value)

    def forget(self, value: ir.Value) -> None:
        """Drop what is held of a value."""
        self._values.pop(value, None)
        self._foldable.discard(value)

    def mark(self, node: ir.Node) -> None:
        """Note the outputs of a standard node that depend on small constants only."""
        if not is_deterministic(node):
            return
        for value in node.inputs:
            if value is not None and not self._small_and_fixed(value):
                return
        for value in node.outputs:
            shape, total = self.infos[value].shape, 1
            for dim in shape or ():
                total *= FOLD_LIMIT + 1 if dim.const is None else dim.const
            if shape is not None and total <= FOLD_LIMIT:
                self._foldable.add(value)

    def value(self, value: ir.Value) -> np.ndarray | None:
        """Return a small constant's value, None if it is large or varies."""
        if value in self._values:
            return self._values[value]
        tensor, producer = stored(value), value.producer()
        found: np.ndarray | None = None
        if tensor is not None:
            small = tensor.size <= FOLD_LIMIT and tensor.dtype != ir.DataType.STRING
            found = tensor.numpy() if small else None
        elif self._known_contents(value):
            found = self._contents(value)
        elif value in self._foldable:
            found = self._computed(value)
        elif producer is not None and producer.op_type == "Constant":
            found = constant_node_value(producer)
        self._values[value] = found
        return found

    def one_element(self, value: ir.Value) -> np.ndarray | None:
        """Return the value of a constant with one element."""
        tensor = stored(value)
        if tensor is not None and tensor.size != 1:
            return None
        array = self.value(value)
        return array if array is not None and array.size == 1 and array.dtype != object else None

    def _small_and_fixed(self, value: ir.Value) -> bool:
        tensor = stored(value)
        return self.has(value) or (tensor is not None and tensor.size <= FOLD_LIMIT)

    def _known_contents(self, value: ir.Value) -> bool:
        info = self.infos.get(value)
        if info is None or info.ints is None or info.dtype is None:
            return False
        return all(d.is_const for d in info.ints)

    def _contents(self, value: ir.Value) -> np.ndarray | None:
        info = self.infos[value]
        if info.ints is None or info.dtype is None or info.shape is None:
            return None
        try:
            array = np.array([d.const or 0 for d in info.ints], dtype=info.dtype.numpy())
        except OverflowError:
            return None
        return array.reshape([d.const or 0 for d in info.shape])

    def _computed(self, value: ir.Value) -> np.ndarray | None:
        """Compute a foldable value; an explicit stack, since chains may be long."""
        stack = [value]
        while stack:
            top = stack[-1]
            node = top.producer()
            if node is None or top in self._values:
                stack.pop()
                continue
            missing = [v for v in node.inputs if v is not None and self._waits(v)]
            if missing:
                stack.extend(missing)
                continue
            self._compute(node)
            stack.pop()
        return self._values.get(value)

    def _waits(self, value: ir.Value) -> bool:
        waiting = value in self._foldable and value not in self._values
        return waiting and not self._known_contents(value)

    def _compute(self, node: ir.Node) -> None:
        inputs = [None if v is None else self.value(v) for v in node.inputs]
        known = all((a is None) == (v is None) for a, v in zip(inputs, node.inputs, strict=True))
        affordable = known and self._spent < FOLD_BUDGET
        version = self._opsets.get("", 1)
        results = evaluate_node(node, inputs, version) if affordable else None
        self._spent += sum(a.nbytes for a in results or ())
        for i, output in enumerate(node.outputs):
            found = results[i] if results is not None and i < len(results) else None
            self._values[output] = found if self._as_claimed(output, found) else None

    def _as_claimed(self, value: ir.Value, array: np.ndarray | None) -> bool:
        """Return whether a result has the type and shape it must have."""
        info = self.infos[value]
        if array is None or info.dtype is None or info.shape is None:
            return False
        same = array.shape == tuple(d.const for d in info.shape)
        return same and array.dtype == info.dtype.numpy()
