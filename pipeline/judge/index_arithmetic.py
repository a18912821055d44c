"""Float arithmetic that ends in integers: sizes, positions, buckets.

A relative-position bucket such as `int(log(n / 8) / log(16) * 8)` sits on a step: computed in
another type it lands in another bucket, and the whole model differs. PyTorch models spell
float32 there whatever their own precision, so such nodes and their constants keep their
declared types in every mode of the judge.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import onnx_ir as ir
import torch

from pipeline.graph.views.walks import bodies
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
        if node.domain not in ("", "ai.onnx") or bodies(node):
            return None
        chain.add(node)
        todo.extend(value for value in node.inputs if value is not None)
    return chain


def _elements(node: ir.Node) -> int:
    tensor = node.attributes.get("value")
    return tensor.as_tensor().size if tensor is not None and not tensor.is_ref() else 1


def joined(kernel: Kernel, held: torch.dtype) -> Kernel:
    """Return a kernel that takes index values among its inputs in the type of the mode."""

    def call(*inputs: Any) -> Any:
        return kernel(*[as_held(x, held) for x in inputs])

    return call


def as_held(x: Any, held: torch.dtype) -> Any:
    """Return a wide float in the type of the mode, anything else as it is."""
    wide = isinstance(x, torch.Tensor) and x.dtype in WIDE and x.dtype != held
    return x.to(held) if wide else x
