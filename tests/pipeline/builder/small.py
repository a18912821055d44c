"""Small ONNX files for the builder tests, and one call that builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from pipeline.builder.request import PlanRequest
from pipeline.builder.shapes import Profile
from pipeline.stages.build_engine.plan import PlanReport, build_plan
from pipeline.types import SILENT

TYPES = {"fp32": T.FLOAT, "fp16": T.FLOAT16, "bf16": T.BFLOAT16}


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    outputs: Mapping[str, int],
    weights: Sequence[onnx.TensorProto] = (),
    opset: int = 23,
    domains: Sequence[str] = (),
) -> Path:
    """Write a model; inputs map names to (element type, dims), outputs to element types."""
    graph = h.make_graph(
        list(nodes),
        "g",
        [h.make_tensor_value_info(n, t, list(d)) for n, (t, d) in inputs.items()],
        [h.make_tensor_value_info(n, t, None) for n, t in outputs.items()],
        list(weights),
    )
    imports = [h.make_opsetid("", opset), *(h.make_opsetid(d, 1) for d in domains)]
    onnx.save(h.make_model(graph, opset_imports=imports, ir_version=10), path)
    return path


def attention(
    path: Path,
    dtype: str = "fp16",
    q: Sequence[int | str] = (1, 2, 8, 16),
    k: Sequence[int | str] | None = None,
    v: Sequence[int | str] | None = None,
    mask: tuple[int, Sequence[int | str]] | None = None,
    outputs: int = 1,
    **attributes: float,
) -> Path:
    """Write one Attention node."""
    t = TYPES[dtype]
    inputs = {"q": (t, q), "k": (t, k or q), "v": (t, v or k or q)}
    if mask is not None:
        inputs["mask"] = mask
    outs = ["y", "", "", "qk"][: 4 if outputs > 1 else 1]
    node = h.make_node("Attention", list(inputs), outs, name="att", **attributes)
    return save(path, [node], inputs, {o: t for o in outs if o})


def rotary(path: Path) -> Path:
    """Write a RotaryEmbedding whose cache has batch 1."""
    t = T.FLOAT16
    feeds = {"x": (t, (2, 2, 8, 16)), "c": (t, (1, 8, 8)), "s": (t, (1, 8, 8))}
    node = h.make_node("RotaryEmbedding", ["x", "c", "s"], ["y"], name="the_node")
    return save(path, [node], feeds, {"y": t})


def weight(name: str, shape: Sequence[int], dtype: str = "fp32") -> onnx.TensorProto:
    """Return a small constant matrix."""
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 0.1
    if dtype == "bf16":
        return h.make_tensor(name, T.BFLOAT16, shape, values.reshape(-1).tolist())
    kind = np.float16 if dtype == "fp16" else np.float32
    return numpy_helper.from_array(values.astype(kind), name)


def matmul(path: Path, dtype: str = "fp32", dims: Sequence[int | str] = (4, 16)) -> Path:
    """Write one MatMul with a constant weight."""
    t = TYPES[dtype]
    node = h.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    return save(path, [node], {"x": (t, dims)}, {"y": t}, [weight("w", (16, 16), dtype)])


def build(
    path: Path,
    targets: Sequence[str] = ("8.0",),
    profiles: Sequence[Profile] = (),
    decomposable: bool = True,
    check_attention: bool = False,
    **options: object,
) -> PlanReport:
    """Build a plan beside the file."""
    request = PlanRequest(
        "build",
        "tensorrt-rtx",
        path,
        path.with_suffix(".plan"),
        tuple(targets),
        tuple(profiles),
        decomposable=decomposable,
        **options,  # type: ignore[arg-type]
    )
    return build_plan(request, SILENT, 120, check_attention=check_attention)
