"""Graphs that ask native code for what it cannot do, or for more than there is."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node, info = helper.make_node, helper.make_tensor_value_info
BIG = 2**40


def graph(
    nodes: list[NodeProto],
    kind: int = FLOAT,
    shape: list[int] | None = None,
    **weights: object,
) -> onnx.ModelProto:
    """Return a model of x [1, 1, 4, 4] whose output y the nodes make."""
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in weights.items()]
    x = info("x", FLOAT, shape or [1, 1, 4, 4])
    made = helper.make_graph(nodes, "g", [x], [info("y", kind, None)], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def longs(*values: int) -> np.ndarray:
    """Return a vector of int64."""
    return np.array(values, np.int64)


def rounds(limit: int | None, inner: list[NodeProto] | None = None) -> onnx.ModelProto:
    """Return a Loop of so many rounds, None for ever."""
    inputs: list[ValueInfoProto] = [info("i", INT, []), info("c", BOOL, []), info("v", FLOAT, None)]
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"]), *(inner or [node("Sin", ["v"], ["w"])])],
        "body", inputs, [info("d", BOOL, []), info("w", FLOAT, None)],
    )  # fmt: skip
    told: dict[str, object] = {"t": np.array(True)}
    if limit is not None:
        told["m"] = np.array(limit, np.int64)
    loop = node("Loop", ["" if limit is None else "m", "t", "x"], ["y"], body=body)
    return graph([loop], **told)


def nested_rounds() -> onnx.ModelProto:
    """Return 90,000 rounds of 90,000 rounds."""
    inner = rounds(90_000).graph.node[0]
    inner.input[0], inner.input[1], inner.input[2], inner.output[0] = "m", "t", "v", "w"
    return rounds(90_000, [inner])


LOWEST, MINUS = longs(-(2**63)), longs(-1)
GRAPHS = {
    "int64 minimum by -1": graph([node("Div", ["a", "b"], ["y"])], INT, a=LOWEST, b=MINUS),
    "int64 minimum modulo -1": graph([node("Mod", ["a", "b"], ["y"])], INT, a=LOWEST, b=MINUS),
    "int64 by zero": graph([node("Div", ["a", "b"], ["y"])], INT, a=LOWEST, b=longs(0)),
    "int32 minimum by -1": graph(
        [node("Div", ["a", "b"], ["y"])], TensorProto.INT32,
        a=np.array([-(2**31)], np.int32), b=np.array([-1], np.int32)),
    "bits shifted by 70": graph(
        [node("BitShift", ["a", "b"], ["y"], direction="LEFT")], TensorProto.UINT64,
        a=np.array([1], np.uint64), b=np.array([70], np.uint64)),
    "Expand to 2^40": graph([node("Expand", ["x", "s"], ["y"])], s=longs(2**36, 1, 4, 4)),
    "Expand to 2^34": graph([node("Expand", ["x", "s"], ["y"])], s=longs(2**30, 1, 4, 4)),
    "Tile to 2^40": graph([node("Tile", ["x", "s"], ["y"])], s=longs(2**36, 1, 1, 1)),
    "Pad by 2^40": graph([node("Pad", ["x", "p"], ["y"])], p=longs(0, 0, 0, 0, 0, 0, 0, BIG)),
    "Range of 2^40": graph(
        [node("Range", ["a", "b", "c"], ["y"])], INT,
        a=np.array(0, np.int64), b=np.array(BIG, np.int64), c=np.array(1, np.int64)),
    "ConstantOfShape of 2^40": graph([node("ConstantOfShape", ["s"], ["y"])], s=longs(BIG)),
    "OneHot of 2^40": graph(
        [node("OneHot", ["i", "d", "v"], ["y"])], i=longs(1), d=np.array(BIG, np.int64),
        v=np.array([0, 1], np.float32)),
    "Resize by 2^20": graph(
        [node("Resize", ["x", "", "s"], ["y"])], s=np.array([1, 1, 2**20, 2**20], np.float32)),
    "Loop of 10^9": rounds(10**9),
    "Loop for ever": rounds(None),
    "Loop of loops": nested_rounds(),
    "Conv with stride 0": graph(
        [node("Conv", ["x", "k"], ["y"], strides=[0, 0])], k=np.ones((1, 1, 2, 2), np.float32)),
    "Conv with dilation 0": graph(
        [node("Conv", ["x", "k"], ["y"], dilations=[0, 0])], k=np.ones((1, 1, 2, 2), np.float32)),
    "Conv of 0 groups": graph(
        [node("Conv", ["x", "k"], ["y"], group=0)], k=np.ones((1, 1, 2, 2), np.float32)),
    "Conv with pads of -2^40": graph(
        [node("Conv", ["x", "k"], ["y"], pads=[-BIG] * 4)], k=np.ones((1, 1, 2, 2), np.float32)),
    "MaxPool of nothing": graph([node("MaxPool", ["x"], ["y"], kernel_shape=[0, 0])]),
    "AveragePool with stride 0": graph(
        [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[0, 0])]),
    "Slice with step 0": graph(
        [node("Slice", ["x", "a", "b", "c", "d"], ["y"])],
        a=longs(0), b=longs(9), c=longs(3), d=longs(0)),
    "Gather beyond the end": graph([node("Gather", ["x", "i"], ["y"], axis=3)], i=longs(2**40)),
    "GatherND beyond the end": graph([node("GatherND", ["x", "i"], ["y"])], i=longs(BIG, 0)),
    "ScatterND beyond the end": graph(
        [node("ScatterND", ["x", "i", "u"], ["y"])], i=longs(BIG, 0, 0, 0)[None],
        u=np.ones(1, np.float32)),
    "Reshape to -2": graph([node("Reshape", ["x", "s"], ["y"])], s=longs(-2, 8)),
    "Reshape to two unknowns": graph([node("Reshape", ["x", "s"], ["y"])], s=longs(-1, -1)),
    "Reshape to 2^62": graph([node("Reshape", ["x", "s"], ["y"])], s=longs(2**62, 4)),
    "Split into -1": graph([node("Split", ["x", "s"], ["y", "z"], axis=3)], s=longs(-1, 5)),
    "TopK of 2^40": graph([node("TopK", ["x", "k"], ["y", "z"])], k=longs(BIG)),
    "TopK of -1": graph([node("TopK", ["x", "k"], ["y", "z"])], k=longs(-1)),
    "Transpose of axis 99": graph([node("Transpose", ["x"], ["y"], perm=[0, 1, 2, 99])]),
    "Transpose of one axis four times": graph([node("Transpose", ["x"], ["y"], perm=[0] * 4)]),
    "Einsum without sense": graph([node("Einsum", ["x"], ["y"], equation="->->i,,...")]),
    "Einsum of 300 letters": graph([node("Einsum", ["x"], ["y"], equation="ab" * 150)]),
    "an attribute of another type": graph([node("Softmax", ["x"], ["y"], axis="last")]),
    "Concat on axis -99": graph([node("Concat", ["x", "x"], ["y"], axis=-99)]),
    "Squeeze of a size 4": graph([node("Squeeze", ["x", "a"], ["y"])], a=longs(2)),
    "Unsqueeze of 2^40": graph([node("Unsqueeze", ["x", "a"], ["y"])], a=longs(BIG)),
    "a scale of zero": graph(
        [node("QuantizeLinear", ["x", "s"], ["y"])], TensorProto.UINT8,
        s=np.array(0, np.float32)),
    "DepthToSpace by 0": graph([node("DepthToSpace", ["x"], ["y"], blocksize=0)]),
    "LayerNormalization over axis 99": graph(
        [node("LayerNormalization", ["x", "s"], ["y"], axis=99)], s=np.ones(4, np.float32)),
    "Attention of 0 heads": graph(
        [node("Attention", ["x", "x", "x"], ["y"], q_num_heads=0, kv_num_heads=0)]),
    "GroupNorm of 0 groups": graph(
        [node("GroupNormalization", ["x", "s", "s"], ["y"], num_groups=0)],
        s=np.ones(1, np.float32)),
    "an unknown operator": graph([node("NoSuchThing", ["x"], ["y"])]),
    "an operator of nobody": graph([node("Run", ["x"], ["y"], domain="evil.corp")]),
    "no node at all": graph([]),
    "two makers of one value": graph([node("Sin", ["x"], ["y"]), node("Cos", ["x"], ["y"])]),
    "a batch of 2^50": graph([node("Sin", ["x"], ["y"])], shape=[2**50, 1, 4, 4]),
    "a size of -7": graph([node("Sin", ["x"], ["y"])], shape=[-7, 1, 4, 4]),
}  # fmt: skip
