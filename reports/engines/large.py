"""Build times and memory of large models: a llama shape of 1.5 billion parameters, BERT-large.

    python -m reports.engines.large llama FOLDER          writes the graph (3 GB) and builds it
    python -m reports.engines.large bert FOLDER           exports, optimizes and builds bert-large

The llama graph is written directly, with random float16 weights, no two alike: builders store
equal weights once. One JSON line is printed per build.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir

from pipeline.records.engine import EngineRecord
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines

LAYERS, HIDDEN, HEADS, KV_HEADS, INNER, VOCAB = 30, 2048, 16, 4, 5632, 32000
HEAD = HIDDEN // HEADS
TARGETS = ("8.0", "8.6", "8.9", "12.0")


class Weights:
    """A data file of random float16 matrices, written as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset = path, 0
        self.random = np.random.default_rng(0)
        self.file = path.open("wb")
        self.values: list[ir.Value] = []

    def make(self, name: str, *shape: int) -> ir.Value:
        scale = np.float32(2 / np.sqrt(shape[0]))
        array = (self.random.random(shape, np.float32) - np.float32(0.5)) * scale
        data = array.astype(np.float16).tobytes()
        self.file.write(data)
        tensor = ir.ExternalTensor(
            self.path.name, self.offset, len(data), ir.DataType.FLOAT16,
            shape=ir.Shape(shape), name=name, base_dir=self.path.parent,
        )  # fmt: skip
        self.offset += len(data)
        value = ir.Value(name=name, shape=ir.Shape(shape), const_value=tensor)
        value.dtype = ir.DataType.FLOAT16
        self.values.append(value)
        return value


def llama(folder: Path) -> Path:
    """Write the graph and its weights; return the graph's path."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = Weights(folder / "weights.data")
    nodes: list[ir.Node] = []

    def op(kind: str, *inputs: ir.Value, **attributes: object) -> ir.Value:
        node = ir.node(kind, list(inputs), attributes, name=f"{kind}_{len(nodes)}")
        nodes.append(node)
        node.outputs[0].name = f"v{len(nodes)}"
        return node.outputs[0]

    def constant(name: str, array: np.ndarray) -> ir.Value:
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        weights.values.append(value)
        return value

    dims, whole = ir.Shape(["batch", "seq"]), ir.TensorType(ir.DataType.INT64)
    ids = ir.val("input_ids", shape=dims, type=whole)
    positions = ir.val("position_ids", shape=dims, type=whole)
    angles = np.outer(np.arange(2048), 1e4 ** -(np.arange(0, HEAD, 2) / HEAD))
    cos = constant("cos", np.cos(angles).astype(np.float16))
    sin = constant("sin", np.sin(angles).astype(np.float16))
    scale = constant("scale", np.array(HEAD**-0.5, np.float16))
    ones = constant("ones", np.ones(HIDDEN, np.float16))

    def heads(x: ir.Value, count: int) -> ir.Value:
        shape = constant(f"heads{len(nodes)}", np.array([0, 0, count, HEAD], np.int64))
        return op("Transpose", op("Reshape", x, shape), perm=[0, 2, 1, 3])

    merged = constant("merged", np.array([0, 0, HIDDEN], np.int64))
    x = op("Gather", weights.make("embed", VOCAB, HIDDEN), ids)
    for i in range(LAYERS):
        n = op("RMSNormalization", x, ones, axis=-1, epsilon=1e-5)
        q = heads(op("MatMul", n, weights.make(f"{i}.q", HIDDEN, HIDDEN)), HEADS)
        k = heads(op("MatMul", n, weights.make(f"{i}.k", HIDDEN, KV_HEADS * HEAD)), KV_HEADS)
        v = heads(op("MatMul", n, weights.make(f"{i}.v", HIDDEN, KV_HEADS * HEAD)), KV_HEADS)
        q, k = (op("RotaryEmbedding", t, cos, sin, positions) for t in (q, k))
        a = op("Attention", op("Mul", q, scale), k, v, scale=1.0, is_causal=1)
        a = op("Reshape", op("Transpose", a, perm=[0, 2, 1, 3]), merged)
        x = op("Add", x, op("MatMul", a, weights.make(f"{i}.o", HIDDEN, HIDDEN)))
        n = op("RMSNormalization", x, ones, axis=-1, epsilon=1e-5)
        g = op("MatMul", n, weights.make(f"{i}.gate", HIDDEN, INNER))
        g = op("Mul", g, op("Sigmoid", g))
        u = op("Mul", g, op("MatMul", n, weights.make(f"{i}.up", HIDDEN, INNER)))
        x = op("Add", x, op("MatMul", u, weights.make(f"{i}.down", INNER, HIDDEN)))
    x = op("RMSNormalization", x, ones, axis=-1, epsilon=1e-5)
    y = op("MatMul", x, weights.make("head", HIDDEN, VOCAB))
    y.name, y.dtype, y.shape = "logits", ir.DataType.FLOAT16, ir.Shape(["batch", "seq", VOCAB])
    weights.file.close()
    graph = ir.Graph(
        [ids, positions], [y], nodes=nodes, initializers=weights.values, opset_imports={"": 23}
    )
    ir.save(ir.Model(graph, ir_version=10), folder / "model.onnx")
    return folder / "model.onnx"


def report(name: str, source: Path, weights_bytes: int, plan: Path, length: str = "seq") -> None:
    made = build_engines(
        BuildEngineOptions(source, plan, compute_capabilities=TARGETS,
                           dims={"batch": (1, 1, 8), length: (1, 128, 512)})
    )  # fmt: skip
    part = EngineRecord.of(made).parts["model"]
    kernels = [a.dedicated for a in part.attention]
    peak = part.build_peak_rss_bytes
    print(json.dumps({
        "model": name, "targets": ",".join(TARGETS), "version": part.version,
        "weights_bytes": weights_bytes, "plan_bytes": part.plan_bytes,
        "seconds": round(part.build_seconds, 1), "peak_rss_bytes": peak,
        "peak_over_weights": round(peak / weights_bytes, 2),
        "attention": len(kernels), "dedicated": sum(k is True for k in kernels),
    }))  # fmt: skip


def main(what: str, folder: Path) -> None:
    if what == "llama":
        graph = llama(folder)
        size = (folder / "weights.data").stat().st_size
        report(f"llama shape, {size / 2e9:.2f} billion parameters, fp16", graph, size,
               folder / "model.plan")  # fmt: skip
        return
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    export_model(ExportOptions("bert-large", folder))
    optimize_model(OptimizeOptions(folder, target="tensorrt", precision="fp16"))
    graph = folder / "onnx/model.tensorrt-fp16.onnx"
    from pipeline.builder.graph import read_graph

    size = sum(
        v.const_value.nbytes for v in read_graph(graph).seen.model.graph.initializers.values()
    )
    report("bert-large, fp16", graph, size, folder / "bert-large.plan", "sequence")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
