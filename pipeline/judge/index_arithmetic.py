"""Float arithmetic that ends in integers: sizes, positions, buckets.

A relative-position bucket such as `int(log(n / 8) / log(16) * 8)` sits on a step: computed in
another type it lands in another bucket, and the whole model differs. PyTorch models spell
float32 there whatever their own precision, so such nodes keep their declared type in every
mode of the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import onnx_ir as ir
import torch

from pipeline.judge.dtypes import WIDE
from pipeline.judge.op import Kernel

# A constant of an index formula is a number or a few; more than that is a weight.
_FEW = 16
_FLOATS = frozenset(
    {ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}
)
_TO_INTEGERS = frozenset({"Shape", "Size", "ArgMax", "ArgMin", "NonZero"})


def index_nodes(nodes: Sequence[ir.Node], inputs: Collection[ir.Value]) -> set[ir.Node]:
    """Return the nodes whose floats come from integers and small constants and end in integers.

    Args:
        nodes: The nodes of one graph, in order.
        inputs: Its formal inputs.
    """
    found: set[ir.Node] = set()
    here = set(nodes)
    for node in nodes:
        if node.op_type != "Cast" or _is_float(node.attributes["to"].as_int()):
            continue
        source = node.inputs[0]
        if source is None or _is_integer(source.dtype):
            continue
        chain = _chain(source, here, inputs)
        if chain is not None:
            found |= chain
    return found


def _is_float(code: int) -> bool:
    return ir.DataType(code) in _FLOATS


def _is_integer(dtype: ir.DataType | None) -> bool:
    return dtype is not None and dtype not in _FLOATS


def _chain(
    start: ir.Value, here: Collection[ir.Node], inputs: Collection[ir.Value]
) -> set[ir.Node] | None:
    """Return the float nodes behind a value, None where a weight or float input feeds them."""
    chain: set[ir.Node] = set()
    todo = [start]
    while todo:
        value = todo.pop()
        if _is_integer(value.dtype):
            continue
        node = value.producer()
        if node is None or node not in here:
            constant = value.const_value
            if value in inputs or constant is None or constant.size > _FEW:
                return None
            continue
        if node in chain or node.op_type in _TO_INTEGERS:
            continue
        if node.op_type == "Constant":
            if _elements(node) > _FEW:
                return None
            continue
        if node.op_type == "Cast" and not _is_float(node.attributes["to"].as_int()):
            continue
        chain.add(node)
        todo.extend(value for value in node.inputs if value is not None)
    return chain


def _elements(node: ir.Node) -> int:
    tensor = node.attributes.get("value")
    return tensor.as_tensor().size if tensor is not None and not tensor.is_ref() else 1


def in_declared_type(
    node: ir.Node, make: Callable[[torch.dtype], Kernel], held: torch.dtype
) -> Kernel:
    """Return the node's kernel run in its declared type, its results held as the mode holds.

    Args:
        node: A node `index_nodes` found.
        make: Makes the kernel for the type floats are to be held in.
        held: The type of the mode.
    """
    declared = node.outputs[0].dtype
    own = torch.float64 if declared == ir.DataType.DOUBLE else torch.float32
    kernel = make(own)
    if held == own:
        return kernel

    def call(*inputs: Any) -> Any:
        result = kernel(*[_to(x, own) for x in inputs])
        if isinstance(result, tuple):
            return tuple(_to(y, held) for y in result)
        return _to(result, held)

    return call


def _to(x: Any, dtype: torch.dtype) -> Any:
    return x.to(dtype) if isinstance(x, torch.Tensor) and x.dtype in WIDE else x
