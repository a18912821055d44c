"""One-node models, run by the judge and by whoever else knows the operator."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator

from pipeline.judge import Judge

MS = "com.microsoft"


def model_of(
    kind: str,
    inputs: Sequence[np.ndarray | None],
    outputs: int = 1,
    *,
    domain: str = "",
    opset: int = 24,
    constants: Sequence[int] = (),
    output_types: Mapping[int, int] | None = None,
    **attributes: object,
) -> onnx.ModelProto:
    """Return a model of one node; inputs listed in `constants` become initializers."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(kind, names, results, domain=domain, name="the_node", **attributes)
    first = helper.np_dtype_to_tensor_dtype(next(x for x in inputs if x is not None).dtype)
    types = dict.fromkeys(range(outputs), first) | dict(output_types or {})
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(
                n, helper.np_dtype_to_tensor_dtype(x.dtype), [None] * x.ndim
            )
            for i, (n, x) in enumerate(zip(names, inputs, strict=True))
            if x is not None and i not in constants
        ],
        [helper.make_tensor_value_info(n, types[i], None) for i, n in enumerate(results)],
        initializer=[onnx.numpy_helper.from_array(inputs[i], names[i]) for i in constants],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def feeds_of(model: onnx.ModelProto, inputs: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
    named = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    return {v.name: named[v.name] for v in model.graph.input}


def judged(
    model: onnx.ModelProto, feeds: Mapping[str, np.ndarray], dtype: str = "float64"
) -> list[np.ndarray]:
    results = Judge(ir.from_proto(model), dtype).run(feeds)
    return [y.float().numpy() if y.dtype.is_floating_point else y.numpy() for y in results.values()]


def by_ort(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))


def by_reference(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return ReferenceEvaluator(model).run(None, dict(feeds))


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def assert_same(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], tolerance: float) -> None:
    """Compare float results relative to their largest element, everything else exactly."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        if other.dtype.kind == "f":
            scale = max(1e-3, float(np.abs(other[np.isfinite(other)]).max(initial=0)))
            np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(mine, other)
