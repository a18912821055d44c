"""What the real builder says in every known bad case, and what we make of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from pipeline.builder.rules import RULES
from pipeline.errors import BadModelError, BuildError, PipelineError
from pipeline.records.engine import ShapeRange
from tests.pipeline.builder import small

pytest.importorskip("tensorrt_rtx")

Make = Callable[[Path], Path]


def node(op: str, inputs: str, outputs: str = "y", domain: str = "", **attributes: object) -> Make:
    """Return a writer of a model with one node on float16 inputs [2, 8, 16]."""

    def make(path: Path) -> Path:
        made = h.make_node(
            op, inputs.split(), outputs.split(), name="the_node", domain=domain, **attributes
        )
        feeds = dict.fromkeys(dict.fromkeys(inputs.split()), (T.FLOAT16, (2, 8, 16)))
        domains = [domain] if domain else []
        outs = dict.fromkeys(outputs.split(), T.FLOAT16)
        return small.save(path, [made], feeds, outs, opset=23, domains=domains)

    return make


REFUSED_BY_PARSER = {
    "softcap": (lambda p: small.attention(p, softcap=30.0), "soft-cap"),
    "softmax_precision": (lambda p: small.attention(p, softmax_precision=1), "softmax_precision"),
    "second output": (lambda p: small.attention(p, outputs=2), "qk_matmul_output"),
    "mask and causal": (
        lambda p: small.attention(p, mask=(T.FLOAT16, (8, 8)), is_causal=1),
        "causal and masked",
    ),
    "value size": (lambda p: small.attention(p, v=(1, 2, 8, 24)), "different head sizes"),
    "rotary cache of batch 1": (
        lambda p: small.rotary(p),
        "batch 1",
    ),
    "unknown operator": (node("Nonsense", "x", domain="my.own"), "no such operator"),
    "contrib operator": (
        node("SkipLayerNormalization", "x z w", domain="com.microsoft"),
        "no such operator",
    ),
    "fused matmul": (node("FusedMatMul", "x z", domain="com.microsoft"), "no such operator"),
    "quick gelu": (node("QuickGelu", "x", domain="com.microsoft"), "no such operator"),
    "NonZero": (node("NonZero", "x"), "NonZero|no such operator"),
}


@pytest.mark.parametrize("case", REFUSED_BY_PARSER)
def test_parser_refusals_name_the_node_and_the_remedy(case: str, tmp_path: Path) -> None:
    make, words = REFUSED_BY_PARSER[case]
    with pytest.raises(BadModelError, match=words) as caught:
        small.build(make(tmp_path / "m.onnx"))
    assert "node att" in caught.value.where or "node the_node" in caught.value.where
    assert caught.value.fix


def _fp8(path: Path) -> Path:
    scale = numpy_helper.from_array(np.array(0.5, np.float32), "s")
    w = small.weight("w", (16, 16))
    nodes = [
        h.make_node("QuantizeLinear", ["w", "s"], ["wq"], output_dtype=T.FLOAT8E4M3FN, name="q"),
        h.make_node("DequantizeLinear", ["wq", "s"], ["wd"], name="dq"),
        h.make_node("MatMul", ["x", "wd"], ["y"], name="mm"),
    ]
    return small.save(path, nodes, {"x": (T.FLOAT, (4, 16))}, {"y": T.FLOAT}, [w, scale])


def _uint4(path: Path) -> Path:
    w = h.make_tensor("w4", T.UINT4, (16, 16), [1] * 256)
    scale = numpy_helper.from_array(np.ones((16,), np.float32), "s")
    nodes = [
        h.make_node("DequantizeLinear", ["w4", "s"], ["wd"], axis=1, name="dq"),
        h.make_node("MatMul", ["x", "wd"], ["y"], name="mm"),
    ]
    return small.save(path, nodes, {"x": (T.FLOAT, (4, 16))}, {"y": T.FLOAT}, [w, scale])


TYPES_AND_TARGETS = {
    "fp8 on 8.6": (_fp8, "8.6", BuildError, "sm86 cannot run fp8"),
    "fp32 product on 7.5": (small.matmul, "7.5", BuildError, "FP32 GEMM"),
    "uint4 weight": (_uint4, "8.9", BadModelError, "no type for the initializer w4"),
}


@pytest.mark.parametrize("case", TYPES_AND_TARGETS)
def test_types_against_targets(case: str, tmp_path: Path) -> None:
    make, target, kind, words = TYPES_AND_TARGETS[case]
    with pytest.raises(kind, match=words):
        small.build(make(tmp_path / "m.onnx"), [target])


def test_fp32_attention_needs_decomposition(tmp_path: Path) -> None:
    path = small.attention(tmp_path / "m.onnx", "fp32", q=("b", 2, 8, 16))
    ranges = {n: ShapeRange((1, 2, 8, 16), (2, 2, 8, 16), (4, 2, 8, 16)) for n in "qkv"}
    assert small.build(path, profiles=[ranges]).plan_bytes > 0
    with pytest.raises(BuildError, match="no dedicated kernel"):
        small.build(path, profiles=[ranges], decomposable=False)


def _ranges(low: object, mid: object, high: object, name: str = "x") -> dict[str, ShapeRange]:
    return {name: ShapeRange(low, mid, high)}  # type: ignore[arg-type]


BAD_PROFILES = {
    "no profile": ((), "no profile was given"),
    "not ascending": ([_ranges((4, 16), (2, 16), (8, 16))], "refused an optimization|ascend"),
    "wrong name": ([_ranges((1, 16), (2, 16), (4, 16), "typo")], "no shapes for the input x"),
    "wrong rank": (
        [_ranges((1, 16, 1), (2, 16, 1), (4, 16, 1))],
        "input x has 2 dims, profile 0 gives 3",
    ),
    "fixed dim": ([_ranges((1, 32), (2, 32), (4, 32))], "axis 1 of input x contradicts profile 0"),
}


@pytest.mark.parametrize("case", BAD_PROFILES)
def test_profiles_the_builder_refuses(case: str, tmp_path: Path) -> None:
    profiles, words = BAD_PROFILES[case]
    path = small.matmul(tmp_path / "m.onnx", dims=("batch", 16))
    with pytest.raises(PipelineError, match=words):
        small.build(path, profiles=profiles)


def test_disjoint_ranges_of_one_dim(tmp_path: Path) -> None:
    add = h.make_node("Add", ["a", "c"], ["y"], name="add")
    path = small.save(
        tmp_path / "m.onnx",
        [add],
        {"a": (T.FLOAT, ("b", 4)), "c": (T.FLOAT, ("b", 4))},
        {"y": T.FLOAT},
    )
    a = ShapeRange((1, 4), (2, 4), (3, 4))
    c = ShapeRange((5, 4), (6, 4), (7, 4))
    with pytest.raises(BadModelError, match="without a common value"):
        small.build(path, profiles=[{"a": a, "c": c}])


def _written(content: bytes) -> Make:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


def _truncated(path: Path) -> Path:
    data = small.matmul(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def _external(path: Path, keep: int | None) -> Path:
    model = onnx.load(small.matmul(path))
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    data = path.parent / "m.data"
    if keep is None:
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:keep])
    return path


def _mixed(path: Path) -> Path:
    made = h.make_node("Add", ["a", "c"], ["y"], name="the_node")
    feeds = {"a": (T.FLOAT, (2, 4)), "c": (T.FLOAT16, (2, 4))}
    return small.save(path, [made], feeds, {"y": T.FLOAT})


def _misfit(path: Path) -> Path:
    made = h.make_node("MatMul", ["a", "c"], ["y"], name="the_node")
    feeds = {"a": (T.FLOAT, (2, 5)), "c": (T.FLOAT, (4, 3))}
    return small.save(path, [made], feeds, {"y": T.FLOAT})


def _reshape(path: Path) -> Path:
    shape = numpy_helper.from_array(np.array([3, 5], np.int64), "s")
    made = h.make_node("Reshape", ["a", "s"], ["y"], name="the_node")
    return small.save(path, [made], {"a": (T.FLOAT, (2, 4))}, {"y": T.FLOAT}, [shape])


def _cycle(path: Path) -> Path:
    nodes = [
        h.make_node("Add", ["a", "u"], ["t"], name="n1"),
        h.make_node("Relu", ["t"], ["u"], name="n2"),
    ]
    return small.save(path, nodes, {"a": (T.FLOAT, (2, 4))}, {"u": T.FLOAT})


BAD_FILES = {
    "empty": (_written(b""), "empty or no ONNX"),
    "junk": (_written(b"\x00junk" * 50), "truncated or no ONNX|empty or no ONNX"),
    "truncated": (_truncated, "truncated"),
    "missing": (lambda p: p, "no such ONNX file"),
    "no weights": (lambda p: _external(p, None), "weights file .*m.data is missing"),
    "short weights": (lambda p: _external(p, 100), "shorter than the graph says"),
    "mixed types": (_mixed, "operands of different types: Float and Half"),
    "misfit": (_misfit, "operands do not fit"),
    "reshape": (_reshape, "changes the number of elements"),
    "cycle": (_cycle, "cycle"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(case: str, tmp_path: Path) -> None:
    make, words = BAD_FILES[case]
    with pytest.raises(BadModelError, match=words):
        small.build(make(tmp_path / "m.onnx"))
    assert not list(tmp_path.glob("*.plan"))
    assert not list(tmp_path.glob("*.part"))


def test_shared_keys_crash_is_an_error_of_ours(tmp_path: Path) -> None:
    """The builder dies with signal 11; the tool must not."""
    t, dims = T.FLOAT16, (1, 2, 8, 16)
    nodes = [
        h.make_node("Attention", ["q1", "k", "v"], ["y1"], name="att1"),
        h.make_node("Attention", ["q2", "k", "v"], ["y2"], name="att2"),
    ]
    feeds = dict.fromkeys(("q1", "q2", "k", "v"), (t, dims))
    path = small.save(tmp_path / "m.onnx", nodes, feeds, {"y1": t, "y2": t})
    with pytest.raises(BuildError, match=r"crashed \(signal 11, SIGSEGV\).*sharing"):
        small.build(path)


def test_every_rule_has_words() -> None:
    for rule in RULES:
        assert rule.cause
        assert rule.kind in ("model", "build", "environment")
