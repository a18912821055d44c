"""Operators we have no kernel for, run by onnx.reference one node at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx.reference import ReferenceEvaluator

from pipeline import errors
from pipeline.judge.dtypes import WIDE, Precision, to_torch
from pipeline.judge.op import Kernel


class UnsupportedOpError(errors.BadModelError):
    """An operator that neither the judge nor onnx.reference can run."""


def place_of(node: ir.Node) -> str:
    """Return where a node comes from: its module path where the exporter left one."""
    props = node.metadata_props
    scope = props.get("pkg.torch.onnx.name_scopes") or props.get("namespace") or ""
    label = f"node {node.name!r}" if node.name else "an unnamed node"
    return f"{label} in {scope}" if scope else label


def reference_kernel(node: ir.Node, opsets: Mapping[str, int], precision: Precision) -> Kernel:
    """Return a kernel that runs the node with onnx.reference, in float64 where it lets us.

    Some of its operators mix in float32 constants of their own; those run in float32.

    Raises:
        UnsupportedOpError: onnx.reference does not know the operator either.
    """
    evaluator = _evaluator(node, opsets)
    given = [i for i, value in enumerate(node.inputs) if value is not None]

    def kernel(*inputs: Any) -> Any:
        feeds = {f"i{i}": _to_numpy(inputs[i]) for i in given}
        try:
            found = evaluator.run(None, feeds)
        except (TypeError, ValueError, RuntimeError):
            narrow = {name: _to_float32(x) for name, x in feeds.items()}
            if all(narrow[name] is x for name, x in feeds.items()):
                raise
            found = evaluator.run(None, narrow)
        results = [_back(y, precision) for y in found]
        return tuple(results) if len(results) > 1 else results[0]

    return kernel


def _evaluator(node: ir.Node, opsets: Mapping[str, int]) -> ReferenceEvaluator:
    label = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    proto = ir.to_proto(node)
    names = [f"i{i}" if value is not None else "" for i, value in enumerate(node.inputs)]
    results = [f"o{i}" for i in range(len(node.outputs))]
    del proto.input[:], proto.output[:]
    proto.input.extend(names)
    proto.output.extend(results)
    graph = onnx.helper.make_graph(
        [proto],
        "one_node",
        [onnx.ValueInfoProto(name=name) for name in names if name],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=imports))
    except Exception as err:
        raise UnsupportedOpError(
            f"no kernel for the operator {label} (opset {opsets.get(node.domain, '?')})",
            where=place_of(node),
            fix="rewrite it in standard operators, or cut the model before it",
        ) from err


def _to_numpy(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_numpy(x) for x in value]
    if not isinstance(value, torch.Tensor):
        return value
    return (value.float() if value.dtype == torch.bfloat16 else value).contiguous().numpy()


def _to_float32(value: Any) -> Any:
    wide = isinstance(value, np.ndarray) and value.dtype == np.float64
    return value.astype(np.float32) if wide else value


def _back(value: Any, precision: Precision) -> Any:
    if isinstance(value, list):
        return [_back(x, precision) for x in value]
    tensor = to_torch(value)
    # A rounding mode narrows afterwards; an exact one holds every float in its own type.
    if precision.hold is not None and not precision.rounds and tensor.dtype in WIDE:
        return tensor.to(precision.hold)
    return tensor
