"""Files made to break whoever opens them; each is to be refused with a reason, at little cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL


def model(weight: TensorProto | None = None) -> onnx.ModelProto:
    """Return a small sound model: x [B, 4] times w [4, 4]."""
    w = weight if weight is not None else numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["B", 4])],
        [helper.make_tensor_value_info("y", FLOAT, ["B", 4])],
        [w],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def tensor(dims: list[int], kind: int = FLOAT, **fields: object) -> TensorProto:
    """Return the weight with any dims, type and data."""
    return TensorProto(name="w", data_type=kind, dims=dims, **fields)


def outside(location: str, **entries: str) -> TensorProto:
    """Return the weight with its data in a file."""
    made = tensor([4, 4], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **entries}.items():
        made.external_data.add(key=key, value=text)
    return made


def saved(folder: Path, made: onnx.ModelProto | bytes) -> Path:
    data = made if isinstance(made, bytes) else made.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    return folder / "model.onnx"


def cyclic() -> onnx.ModelProto:
    made = model()
    made.graph.node[0].input[0] = "y"
    return made


@cache
def nested(depth: int) -> bytes:
    """Return an If inside an If, as bytes: the library's own writer recurses."""
    end = field(12, helper.make_tensor_value_info("y", FLOAT, None).SerializeToString())
    relu = helper.make_node("Relu", ["x"], ["y"]).SerializeToString()
    core = field(1, relu) + field(2, b"g") + end
    kind, empty = b"\xa0\x01\x05", field(6, field(2, b"e"))
    heads, tails, size = [], [], len(core)
    for _ in range(depth):  # graph -> branch -> node -> graph, told only by their lengths
        name, rest = field(1, b"then_branch"), field(5, field(1, b"else_branch") + empty + kind)
        graph = mark(6, size)
        branch = mark(5, len(name) + len(graph) + size + len(kind))
        words = field(1, b"c") + field(2, b"y") + field(4, b"If")
        inner = len(name) + len(graph) + size + len(kind) + len(branch) + len(words) + len(rest)
        node = mark(1, inner)
        heads.append(node + words + branch + name + graph)
        tails.append(kind + rest + field(2, b"g") + end)
        size += len(heads[-1]) + len(tails[-1])
    body = b"".join(reversed(heads)) + core + b"".join(tails)
    inputs = b"".join(
        field(11, helper.make_tensor_value_info(n, k, s).SerializeToString())
        for n, k, s in (("x", FLOAT, ["B"]), ("c", BOOL, []))
    )
    return b"\x08\x09" + field(7, body + inputs) + field(8, field(1, b"") + b"\x10\x12")


def mark(number: int, size: int) -> bytes:
    """Return a protobuf field's tag and length."""
    digits = b""
    while size > 127:
        digits, size = digits + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + digits + bytes([size])


def field(number: int, data: bytes) -> bytes:
    """Return a protobuf field."""
    return mark(number, len(data)) + data


def linked(folder: Path) -> Path:
    target = folder.parent / f"{folder.name}.secret"
    target.write_bytes(bytes(64))
    os.symlink(target, folder / "w.bin")
    return saved(folder, model(outside("w.bin")))


def device(folder: Path) -> Path:
    os.mkfifo(folder / "w.bin")
    return saved(folder, model(outside("w.bin")))


def short(folder: Path) -> Path:
    (folder / "w.bin").write_bytes(bytes(60))
    return saved(folder, model(outside("w.bin")))


def beyond(folder: Path) -> Path:
    (folder / "w.bin").write_bytes(bytes(64))
    return saved(folder, model(outside("w.bin", offset=str(2**62), length="64")))


def sparse(size: int, indices: list[int]) -> onnx.ModelProto:
    """Return a model whose weight is sparse: few numbers, any dims, any places."""
    made = model()
    values = numpy_helper.from_array(np.ones(len(indices), np.float32), "w")
    places = numpy_helper.from_array(np.array(indices, np.int64), "w_indices")
    del made.graph.initializer[:]
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [size, size]))
    return made


def made_big(kind: str) -> onnx.ModelProto:
    """Return a model whose constants tell an operator to make terabytes."""
    made = model()
    size = numpy_helper.from_array(np.array([2**21, 2**21], np.int64), "size")
    made.graph.initializer.append(size)
    nodes = {
        "ConstantOfShape": [helper.make_node("ConstantOfShape", ["size"], ["big"])],
        "Expand": [
            helper.make_node("Constant", [], ["f"], value_float=1.0),
            helper.make_node("Expand", ["f", "size"], ["big"]),
        ],
        "Tile": [helper.make_node("Tile", ["w", "size"], ["big"])],
        "Range": [
            helper.make_node("Constant", [], ["z"], value_int=0),
            helper.make_node("Constant", [], ["o"], value_int=1),
            helper.make_node("Constant", [], ["n"], value_int=2**42),
            helper.make_node("Range", ["z", "n", "o"], ["big"]),
        ],
    }[kind]
    made.graph.node.extend([*nodes, helper.make_node("Shape", ["big"], ["s"])])
    made.graph.output.append(helper.make_tensor_value_info("s", TensorProto.INT64, None))
    return made


def deep_functions(depth: int) -> onnx.ModelProto:
    """Return functions that call the next one twice each: 2 ** depth nodes when inlined."""
    made, imports = model(), [helper.make_opsetid("", 18), helper.make_opsetid("d", 1)]
    for i in range(depth):
        kind, domain = (f"f{i + 1}", "d") if i + 1 < depth else ("Relu", "")
        nodes = [helper.make_node(kind, ["a"], ["b"], domain=domain),
                 helper.make_node(kind, ["b"], ["c"], domain=domain)]  # fmt: skip
        made.functions.append(helper.make_function("d", f"f{i}", ["a"], ["c"], nodes, imports))
    made.opset_import.append(imports[1])
    made.graph.node[1].op_type, made.graph.node[1].domain = "f0", "d"
    return made


def endless_function() -> onnx.ModelProto:
    made, imports = model(), [helper.make_opsetid("d", 1)]
    node = helper.make_node("f", ["a"], ["b"], domain="d")
    made.functions.append(helper.make_function("d", "f", ["a"], ["b"], [node], imports))
    made.opset_import.append(imports[0])
    made.graph.node[1].op_type, made.graph.node[1].domain = "f", "d"
    return made


def dims(*sizes: int) -> onnx.ModelProto:
    made = model()
    shape = made.graph.input[0].type.tensor_type.shape
    for dim, size in zip(shape.dim, sizes, strict=True):
        dim.dim_value = size
    return made


def long_chain(count: int) -> onnx.ModelProto:
    """Return a chain of many nodes; it is sound, and only large."""
    made = model()
    del made.graph.node[:]
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    made.graph.node.extend(helper.make_node("Relu", [a], [b]) for a, b in pairwise(names))
    return made


def odd_names() -> onnx.ModelProto:
    """Return a sound model whose names hold control characters and markup."""
    made = model()
    bad = "\x1b[2J\x1b]0;owned\x07\r\n[red]<script>alert(1)</script>\x00" + "a" * 5000
    made.graph.node[0].name = made.graph.node[0].output[0] = made.graph.node[1].input[0] = bad
    made.graph.name = made.graph.input[0].name = made.graph.node[0].input[0] = bad + "x"
    made.graph.node.append(helper.make_node("Softmax", [bad], [bad + "p"], name=bad + "s"))
    made.graph.node.append(helper.make_node("MatMul", [bad + "p", bad], [bad + "m"]))
    made.graph.output.append(helper.make_tensor_value_info(bad + "m", FLOAT, None))
    return made


# name -> maker of the file in a folder of its own
REFUSED: dict[str, Callable[[Path], Path]] = {
    "empty": lambda d: saved(d, b""),
    "text": lambda d: saved(d, b"this is no model\n" * 100),
    "truncated": lambda d: saved(d, model().SerializeToString()[:-40]),
    "zeros": lambda d: saved(d, bytes(1 << 20)),
    "cyclic": lambda d: saved(d, cyclic()),
    "an absurd dim": lambda d: saved(d, dims(2**62, 4)),
    "terabytes of weight": lambda d: saved(d, model(tensor([2**20, 2**20]))),
    "dims that overflow": lambda d: saved(d, model(tensor([2**32, 2**32, 0]))),
    "short raw data": lambda d: saved(d, model(tensor([4, 4], raw_data=b"1234"))),
    "an unknown type": lambda d: saved(d, model(tensor([4, 4], 77, raw_data=bytes(64)))),
    "missing data file": lambda d: saved(d, model(outside("nowhere.bin"))),
    "short data file": short,
    "an offset beyond the file": beyond,
    "data above the folder": lambda d: saved(d, model(outside("../../etc/passwd"))),
    "data at an absolute path": lambda d: saved(d, model(outside("/etc/passwd"))),
    "data through a link": linked,
    "data from a pipe": device,
    "sparse terabytes": lambda d: saved(d, sparse(2**21, [0])),
    "sparse out of range": lambda d: saved(d, sparse(4, [99])),
    "nested 17 deep": lambda d: saved(d, nested(17)),
    "nested 10,000 deep": lambda d: saved(d, nested(10_000)),
    "a function that calls itself": lambda d: saved(d, endless_function()),
    "functions that double 40 times": lambda d: saved(d, deep_functions(40)),
}
SOUND: dict[str, Callable[[Path], Path]] = {
    **{f"{k} of terabytes": lambda d, k=k: saved(d, made_big(k))
       for k in ("ConstantOfShape", "Expand", "Tile", "Range")},
    "control characters in names": lambda d: saved(d, odd_names()),
    "a long chain": lambda d: saved(d, long_chain(20_000)),
}  # fmt: skip
