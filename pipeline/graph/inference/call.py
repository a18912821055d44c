"""What an inference function sees of one node, and what it says about the node's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.info import INTS_LIMIT, UNKNOWN, Dims, Info, flat, grid
from pipeline.graph.inference.unify import Unifier
from pipeline.graph.sizes.dims import Dim

__all__ = [
    "INTS_LIMIT", "UNKNOWN", "Call", "Dims", "Infer", "Info", "Outer", "axes_argument", "axis_of",
    "flat", "grid",
]  # fmt: skip


class Call:
    """One node with what is known of its inputs."""

    __slots__ = ("infos", "node", "outer", "unifier", "version")

    def __init__(
        self, node: ir.Node, infos: Sequence[Info | None], outer: Outer, version: int
    ) -> None:
        self.node, self.infos, self.outer, self.version = node, infos, outer, version
        self.unifier = outer.unifier

    def info(self, index: int) -> Info:
        """Return what is known of an input; an omitted one is unknown."""
        found = self.infos[index] if index < len(self.infos) else None
        return found or UNKNOWN

    def has(self, index: int) -> bool:
        """Return whether the input is given."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def shape(self, index: int) -> Dims | None:
        """Return an input's shape."""
        return self.info(index).shape

    def rank(self, index: int) -> int | None:
        """Return an input's rank."""
        shape = self.info(index).shape
        return None if shape is None else len(shape)

    def dtype(self, index: int = 0) -> ir.DataType | None:
        """Return an input's element type."""
        return self.info(index).dtype

    def known_ints(self, index: int) -> Dims | None:
        """Return an input's contents where they are known, in row-major order."""
        info = self.info(index)
        if info.ints is not None or info.shape is None or not self.has(index):
            return info.ints
        sizes = [d.const for d in info.shape]
        if None in sizes or prod(n for n in sizes if n is not None) > INTS_LIMIT:
            return None
        array = self.array(index)
        if array is None or array.dtype.kind not in "iub":
            return None
        return tuple(Dim.of(int(x)) for x in array.reshape(-1))

    def ints(self, index: int) -> Dims | None:
        """Return an input's contents, unknown ones as fresh integers; None for unknown length."""
        info, known = self.info(index), self.known_ints(index)
        if known is not None or info.shape is None or len(info.shape) > 1:
            return known
        length = 1 if not info.shape else info.shape[0].const
        if length is None or length > INTS_LIMIT:
            return None
        return tuple(self.unifier.fresh_integer() for _ in range(length))

    def const_ints(self, index: int) -> list[int] | None:
        """Return an input's contents when all are numbers."""
        found = self.known_ints(index)
        if found is None:
            array = self.array(index)
            return None if array is None else [int(x) for x in array.reshape(-1)]
        numbers = [d.const for d in found]
        return None if None in numbers else [n for n in numbers if n is not None]

    def grid(self, index: int) -> np.ndarray | None:
        """Return an input's contents as an array of Dims in its shape."""
        info = self.info(index)
        return None if info.shape is None else grid(info._replace(ints=self.known_ints(index)))

    def array(self, index: int) -> np.ndarray | None:
        """Return a small constant input's value."""
        if not self.has(index):
            return None
        value = self.node.inputs[index]
        assert value is not None
        return self.outer.small_const(value)

    def attr(self, name: str, default: object = None) -> object:
        """Return an attribute's value, whatever its type."""
        found = self.node.attributes.get(name)
        return default if found is None or found.is_ref() else found.value

    def int_attr(self, name: str, default: int = 0) -> int:
        """Return an integer attribute."""
        value = self.attr(name, default)
        return value if isinstance(value, int) else default

    def ints_attr(self, name: str) -> list[int] | None:
        """Return an attribute that is a list of integers, None if absent."""
        value = self.attr(name)
        if isinstance(value, (list, tuple)):
            return [int(v) for v in value]
        return None

    def type_attr(self, name: str, default: ir.DataType | None) -> ir.DataType | None:
        """Return an attribute that is an element type, None if there is no such type."""
        value = self.attr(name)
        if value is None:
            return default
        if isinstance(value, int) and value in ir.DataType.__members__.values():
            return ir.DataType(value)
        return None

    def text_attr(self, name: str, default: str = "") -> str:
        """Return a string attribute."""
        value = self.attr(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def fresh(self, rank: int) -> Dims:
        """Return that many unknown sizes."""
        return tuple(self.unifier.fresh() for _ in range(rank))

    def size(self, value: Dim) -> Dim:
        """Return an integer of the graph used as a size; from data, it may be -1 or 0."""
        if any(s.startswith("?") for s in value.symbols):
            return self.unifier.fresh()
        return value


class Outer:
    """What inference functions may ask beyond their node; `Facts` provides it."""

    unifier: Unifier

    def small_const(self, value: ir.Value) -> np.ndarray | None:
        """Return the value of a small constant."""
        raise NotImplementedError

    def info_of(self, value: ir.Value | None) -> Info:
        """Return what is known of any value seen so far."""
        raise NotImplementedError

    def infer_body(self, graph: ir.Graph, inputs: Sequence[Info]) -> list[Info]:
        """Infer a subgraph and return what is known of its outputs."""
        raise NotImplementedError


Infer: TypeAlias = Callable[[Call], Sequence[Info]]


def axis_of(axis: int, rank: int) -> int | None:
    """Return the axis counted from the front, None when the tensor has no such axis."""
    axis = axis + rank if axis < 0 else axis
    return axis if 0 <= axis < rank else None


def axes_argument(call: Call, rank: int, index: int = 1) -> list[int] | None:
    """Return the axes of a node that takes them as attribute (old opsets) or as input.

    An absent argument gives an empty list, one that is not known gives None.
    """
    axes = call.ints_attr("axes")
    if axes is None and call.has(index):
        axes = call.const_ints(index)
        if axes is None:
            return None
    normal = [axis_of(a, rank) for a in axes or []]
    return None if any(a is None for a in normal) else [a for a in normal if a is not None]
