"""Carrying out a labelling: types of values, Casts between them, constants in each type."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import onnx_ir as ir

from pipeline.precision.assign import owners
from pipeline.precision.policy import FLEXIBLE
from pipeline.precision.values import Values

_T = ir.DataType
_NUMPY = {_T.FLOAT: np.float32, _T.FLOAT16: np.float16, _T.BFLOAT16: ml_dtypes.bfloat16}
_SUFFIX = {_T.FLOAT: "float32", _T.FLOAT16: "float16", _T.BFLOAT16: "bfloat16"}


class Retyper:
    """Rewrites one model in place.

    Args:
        model: The graph, without Casts between floating types.
        values: Answers about its values as they were.
        types: The type each node of the main graph computes in.
        masks: New magnitude of each mask constant.
        ends: Type of the model's floating inputs and outputs.
    """

    def __init__(
        self,
        model: ir.Model,
        values: Values,
        types: Mapping[ir.Node, ir.DataType],
        masks: Mapping[ir.Value, float],
        ends: ir.DataType,
    ) -> None:
        self.graph, self.values, self.types = model.graph, values, types
        self.masks, self.ends = masks, ends
        self.inside = owners(model)
        self.casts = 0
        self._held: dict[ir.Value, ir.DataType] = {}
        self._cast: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self._typed: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self._constants = {v for v in self._all_values() if values.is_constant(v)}
        self._flexible = {v for v in self._all_values() if values.is_flexible(v)}

    def run(self) -> None:
        """Type every value, then give each node its inputs in the node's own type."""
        for value in self.graph.inputs:
            if value in self._flexible and value not in self._constants:
                self._hold(value, self.ends)
        for node, dtype in self.types.items():
            self._type_outputs(node, dtype)
        for node, dtype in self.types.items():
            self._type_inputs(node, dtype)
        for inner, outer in self.inside.items():
            if outer in self.types:
                self._type_inputs(inner, _T.FLOAT, only_outer=True)
        self._type_graph_outputs()

    def _all_values(self) -> list[ir.Value]:
        found = [*self.graph.inputs, *self.graph.initializers.values()]
        for node in self.graph:
            found.extend(node.outputs)
        return found

    def _hold(self, value: ir.Value, dtype: ir.DataType) -> None:
        self._held[value] = dtype
        value.dtype = dtype

    def _type_outputs(self, node: ir.Node, dtype: ir.DataType) -> None:
        for value in node.outputs:
            if value in self._flexible and value not in self._constants:
                self._hold(value, dtype)
        if node.op_type == "Cast" and node.outputs[0] in self._held:
            node.attributes["to"] = ir.AttrInt64("to", int(dtype))
        elif node.op_type == "ConstantOfShape" and node.outputs[0] in self._held:
            self._type_fill(node, dtype)

    def _type_fill(self, node: ir.Node, dtype: ir.DataType) -> None:
        attribute = node.attributes.get("value")
        array = attribute.as_tensor().numpy() if attribute is not None else np.zeros(1, np.float32)
        array = _limited(np.asarray(array), self.masks.get(node.outputs[0]))
        node.attributes["value"] = ir.AttrTensor("value", ir.tensor(array.astype(_NUMPY[dtype])))

    def _type_inputs(self, node: ir.Node, dtype: ir.DataType, only_outer: bool = False) -> None:
        for index, value in enumerate(node.inputs):
            if value is None or value not in self._flexible:
                continue
            if value in self._constants:
                replacement = self._constant(value, dtype)
            elif node.op_type == "Cast" and not only_outer:
                continue  # to another kind of number: any type will do
            else:
                replacement = self._as(value, dtype)
            if replacement is not value:
                node.replace_input_with(index, replacement)

    def _as(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """Return the value in a type, through one Cast that all who need it share."""
        if self._held.get(value, dtype) == dtype:
            return value
        key = (value, dtype)
        if key not in self._cast:
            node = ir.node("Cast", [value], {"to": int(dtype)})
            out = node.outputs[0]
            out.name = f"{value.name}.{_SUFFIX[dtype]}"
            out.dtype, out.shape = dtype, value.shape
            self._insert(node, value)
            self._cast[key] = out
            self.casts += 1
        return self._cast[key]

    def _insert(self, node: ir.Node, value: ir.Value) -> None:
        producer = value.producer()
        node.name = f"cast_{value.name}_{node.attributes['to'].value}"
        if producer is not None:
            node.metadata_props.update(producer.metadata_props)
            self.graph.insert_after(producer, node)
        else:
            first = next(iter(self.graph))
            self.graph.insert_before(first, node)

    def _constant(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """Return the constant in a type; converted when it is written, not before."""
        limit = self.masks.get(value)
        tensor = self.values.tensor(value)
        assert tensor is not None, value.name
        if tensor.dtype == dtype and limit is None:
            return value
        key = (value, dtype)
        if key not in self._typed:
            name = f"{value.name}.{_SUFFIX[dtype]}"
            shape = ir.Shape(d if isinstance(d, int) else None for d in tensor.shape)
            lazy = ir.LazyTensor(
                lambda: ir.tensor(_limited(tensor.numpy(), limit).astype(_NUMPY[dtype]), name=name),
                dtype=dtype,
                shape=shape,
                name=name,
            )
            made = ir.Value(name=name, shape=shape, type=ir.TensorType(dtype), const_value=lazy)
            self.graph.register_initializer(made)
            self._typed[key] = made
        return self._typed[key]

    def _type_graph_outputs(self) -> None:
        for index, value in enumerate(self.graph.outputs):
            if value not in self._flexible:
                continue
            typed = (
                self._constant(value, self.ends)
                if value in self._constants
                else (self._as(value, self.ends))
            )
            if typed is not value:
                name = value.name
                value.name = f"{name}.inner"
                typed.name = name
                self.graph.outputs[index] = typed


def drop_float_casts(model: ir.Model, values: Values) -> int:
    """Remove Casts between floating types; typing decides anew where they belong."""
    removed = 0
    for node in list(model.graph):
        if node.op_type not in ("Cast", "CastLike") or node.inputs[0] is None:
            continue
        before, after = node.inputs[0], node.outputs[0]
        if values.dtype(before) not in FLEXIBLE or values.dtype(after) not in FLEXIBLE:
            continue
        if after.is_graph_output() and (before.is_graph_input() or before.is_graph_output()):
            continue
        name = after.name
        is_output = after.is_graph_output()
        ir.convenience.replace_all_uses_with(after, before, replace_graph_outputs=True)
        model.graph.remove(node, safe=True)
        if is_output:
            before.name = name
            before.shape = before.shape if before.shape is not None else after.shape
        removed += 1
    return removed


def drop_unused(model: ir.Model) -> None:
    """Remove constants that nobody reads any more, in either form."""
    for node in list(model.graph):
        if node.op_type == "Constant" and not _read(node.outputs[0]):
            model.graph.remove(node, safe=True)
    for name, value in list(model.graph.initializers.items()):
        if not _read(value) and not value.is_graph_input():
            del model.graph.initializers[name]


def _read(value: ir.Value) -> bool:
    return value.is_graph_output() or any(True for _ in value.uses())


def _limited(array: np.ndarray, limit: float | None) -> np.ndarray:
    """Return a mask with its finite magnitudes cut to a limit; infinities stay."""
    wide = np.asarray(array).astype(np.float32, copy=False)
    if limit is None:
        return wide
    return np.where(np.isfinite(wide), np.clip(wide, -limit, limit), wide)
