"""A graph's products with weights alone: what is left when everything else costs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from pipeline.graph.files.model_file import load_model


def products_alone(source: Path, target: Path) -> None:
    """Write a graph that chains every MatMul and Gemm with a constant weight of a model.

    Each reads what the one before it made where the sizes fit, else a constant tensor as long as
    the inputs' batch and length; products that nothing reads are outputs.
    """
    model = load_model(source)
    ids = next(v for v in model.graph.inputs if v.name == "input_ids")
    kept = ir.Value(name="input_ids", type=ids.type, shape=ids.shape)
    nodes: list[ir.Node] = []
    constants: list[ir.Value] = []

    def const(name: str, array: np.ndarray) -> ir.Value:
        value = ir.Value(name=name, type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
                         shape=ir.Shape(array.shape), const_value=ir.tensor(array))  # fmt: skip
        constants.append(value)
        return value

    def node(kind: str, inputs: list, **attributes: object) -> ir.Value:
        made = ir.node(kind, inputs, attributes)
        made.outputs[0].name = f"v{len(nodes)}"
        nodes.append(made)
        return made.outputs[0]

    size = node("Shape", [kept])
    latest: dict[int, ir.Value] = {}
    weights: dict[str, ir.Value] = {}
    for old in model.graph:
        weight = old.inputs[1] if len(old.inputs) > 1 else None
        if old.op_type not in ("MatMul", "Gemm") or weight is None or weight.const_value is None:
            continue
        tensor = weight.const_value
        if len(tensor.shape) != 2:
            continue
        if weight.name not in weights:
            weights[weight.name] = const(weight.name, tensor.numpy())
        swap = old.op_type == "Gemm" and old.attributes.get_int("transB", 0)
        rows, columns = reversed(tensor.shape) if swap else tensor.shape
        if rows not in latest:
            full = node("Concat", [size, const(f"k{rows}", np.array([rows], np.int64))], axis=0)
            latest[rows] = node("ConstantOfShape", [full], value=ir.tensor(np.float32([0.5])))
        right = node("Transpose", [weights[weight.name]], perm=[1, 0]) if swap else None
        latest[columns] = node("MatMul", [latest[rows], right or weights[weight.name]])
    ends = [n.outputs[0] for n in nodes if not any(True for _ in n.outputs[0].uses())]
    for value in ends:
        value.type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([kept], ends, nodes=nodes, initializers=constants, opset_imports={"": 20})
    ir.save(ir.Model(graph, ir_version=10), target, external_data=target.name + ".data")
