"""A model as the preflight sees it: its nodes, and shape, dtype and value of what flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import onnx_ir as ir

from pipeline.builder.shapes import InputSpec
from pipeline.graph.inference.facts import Facts
from pipeline.graph.module_path import module_path

Dims = tuple[int | str, ...]


@dataclass(frozen=True)
class Finding:
    """One thing the builder would refuse (`error`) or that the user should know (`warning`)."""

    level: Literal["error", "warning"]
    what: str
    node: str = ""
    path: str = ""
    fix: str = ""


class Seen:
    """A model with answers about its values.

    What the file declares is taken as it is; only where it declares too little (TorchScript files
    know no intermediate shape or type) are facts inferred, once.
    """

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self.nodes: Sequence[ir.Node] = tuple(model.graph.all_nodes())

    @cached_property
    def _facts(self) -> Facts:
        return Facts(self.model)

    def shape(self, value: ir.Value | None) -> Dims | None:
        """Return the dims of a value, None when they are not known."""
        if value is None:
            return None
        declared = declared_shape(value)
        if declared is not None:
            return declared
        inferred = self._facts.shape(value)
        if inferred is None:
            return None
        return tuple(str(d) if d.const is None else d.const for d in inferred)

    def dtype(self, value: ir.Value | None) -> ir.DataType | None:
        """Return the element type of a value, None when it is not known."""
        if value is None:
            return None
        return value.dtype if value.dtype is not None else self._facts.dtype(value)

    def finding(
        self, level: Literal["error", "warning"], node: ir.Node, what: str, fix: str = ""
    ) -> Finding:
        """Return a finding about a node, with its module path."""
        path = module_path(node)
        return Finding(level, what, node.name or node.op_type, path, fix)

    def inputs(self) -> tuple[InputSpec, ...]:
        """Return the graph's real inputs: those without an initializer."""
        return tuple(
            InputSpec(v.name or "", dtype_word(v.dtype), declared_shape(v) or ())
            for v in self.model.graph.inputs
            if v.name not in self.model.graph.initializers
        )


def declared_shape(value: ir.Value) -> Dims | None:
    """Return the dims written in the file; a dim without a name is called after its place."""
    if value.shape is None:
        return None
    return tuple(
        d if isinstance(d, int) else (d.value or f"{value.name}_{axis}")
        for axis, d in enumerate(value.shape)
    )


def dtype_word(dtype: ir.DataType | None) -> str:
    """Return `float16` and the like, `?` when it is not known."""
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    return "?" if dtype is None else names.get(dtype.name, dtype.name.lower())


def constant(value: ir.Value | None) -> np.ndarray | None:
    """Return the contents of a small constant, None for anything else."""
    if value is None:
        return None
    tensor = value.const_value
    producer = value.producer()
    if tensor is None and producer is not None and producer.op_type == "Constant":
        attribute = producer.attributes.get("value")
        tensor = attribute.as_tensor() if attribute is not None else None
    if tensor is None or tensor.size > 16:
        return None
    return np.asarray(tensor.numpy())
