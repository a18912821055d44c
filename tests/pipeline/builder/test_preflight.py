"""Preflight names what the builder would refuse, and nothing it would take."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from pipeline.builder.preflight import preflight, refuse
from pipeline.builder.seen import Seen
from pipeline.errors import BadModelError
from tests.pipeline.builder import small
from tests.pipeline.builder.test_rules import REFUSED_BY_PARSER


def findings(path: Path, targets: tuple[str, ...] = ("8.0",)) -> list[tuple[str, str]]:
    seen = Seen(ir.load(path))
    return [(f.level, f.what) for f in preflight(seen, targets, path.parent)]


@pytest.mark.parametrize("case", [c for c in REFUSED_BY_PARSER if c != "unknown operator"])
def test_finds_what_the_parser_refuses(case: str, tmp_path: Path) -> None:
    path = REFUSED_BY_PARSER[case][0](tmp_path / "m.onnx")
    model = ir.load(path)
    found = preflight(Seen(model), ("8.0",), tmp_path)
    assert [f.level for f in found] == ["error"]
    with pytest.raises(BadModelError) as caught:
        refuse(found, "m.onnx")
    assert "the_node" in caught.value.where or "att" in caught.value.where


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
def test_accepts_plain_attention(dtype: str, tmp_path: Path) -> None:
    assert findings(small.attention(tmp_path / "m.onnx", dtype)) == []


@pytest.mark.parametrize(
    ("dtype", "target", "words"),
    [("bf16", "7.5", "bfloat16"), ("fp32", "7.5", "float32 matrix products")],
)
def test_types_against_targets(dtype: str, target: str, words: str, tmp_path: Path) -> None:
    path = small.matmul(tmp_path / "m.onnx", dtype)
    assert any(words in what for _level, what in findings(path, (target, "8.0")))
    assert findings(path, ("8.0",)) == []


def test_mask_of_another_type(tmp_path: Path) -> None:
    path = small.attention(tmp_path / "m.onnx", mask=(T.FLOAT, (8, 8)))
    assert findings(path) == [("error", "attention on FLOAT16 with a FLOAT mask")]


def shared(path: Path, case: str) -> Path:
    """Two attentions on the same keys (or queries), scaled in various ways."""
    t, dims = T.FLOAT16, (1, 2, 8, 16)
    half = numpy_helper.from_array(np.array(0.25, np.float16), "s")
    mul = [h.make_node("Mul", ["k", "s"], ["ks"], name="mul")]
    own = [h.make_node("Mul", [f"q{i}", "s"], [f"p{i}"], name=f"m{i}") for i in (1, 2)]

    def att(i: int, q: str, k: str, **scale: float) -> object:
        return h.make_node("Attention", [q, k, "v"], [f"y{i}"], name=f"att{i}", **scale)

    cases = {
        "default scale": [att(1, "q1", "k"), att(2, "q2", "k")],
        "equal scale": [att(1, "q1", "k", scale=0.5), att(2, "q2", "k", scale=0.5)],
        "different scale": [att(1, "q1", "k", scale=0.3), att(2, "q2", "k", scale=0.5)],
        "scale one": [att(1, "q1", "k", scale=1.0), att(2, "q2", "k", scale=1.0)],
        "own products": [*own, att(1, "p1", "k", scale=1.0), att(2, "p2", "k", scale=1.0)],
        "shared product": [*mul, att(1, "q1", "ks", scale=1.0), att(2, "q2", "ks", scale=1.0)],
        "queries are keys": [att(1, "q1", "q1"), att(2, "q2", "k")],
    }
    feeds = dict.fromkeys(("q1", "q2", "k", "v"), (t, dims))
    return small.save(path, cases[case], feeds, {"y1": t, "y2": t}, [half])


CRASHES = {
    "default scale": True,
    "equal scale": True,
    "different scale": False,
    "scale one": False,
    "own products": False,
    "shared product": True,
    "queries are keys": True,
}


@pytest.mark.parametrize("case", CRASHES)
def test_shared_operands(case: str, tmp_path: Path) -> None:
    found = findings(shared(tmp_path / "m.onnx", case))
    assert bool(found) == CRASHES[case]


@pytest.mark.slow
@pytest.mark.parametrize("case", CRASHES)
def test_shared_operands_agree_with_the_builder(case: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    path = shared(tmp_path / "m.onnx", case)
    if CRASHES[case]:
        with pytest.raises(Exception, match="signal 11"):
            small.build(path)
    else:
        assert small.build(path).plan_bytes > 0


@pytest.mark.parametrize("keep", [None, 100], ids=["missing", "short"])
def test_external_data(keep: int | None, tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "m.onnx"
    model = onnx.load(small.matmul(path))
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert findings(path) == []
    data = tmp_path / "m.data"
    content = data.read_bytes()
    data.unlink()
    if keep:
        data.write_bytes(content[:keep])
    assert [level for level, _what in findings(path)] == ["error"]


def test_time_grows_no_faster_than_the_graph(tmp_path: Path) -> None:
    """So that it can run before every build."""

    def seconds(count: int) -> float:
        t, dims = T.FLOAT16, (1, 2, 8, 16)
        nodes = [
            h.make_node("Attention", [f"y{i}", f"k{i}", f"k{i}"], [f"y{i + 1}"], name=f"a{i}")
            for i in range(count)
        ]
        feeds = {"y0": (t, dims), **{f"k{i}": (t, dims) for i in range(count)}}
        path = small.save(tmp_path / f"{count}.onnx", nodes, feeds, {f"y{count}": t})
        best = float("inf")
        for _ in range(3):
            seen = Seen(ir.load(path))
            started = time.process_time()
            preflight(seen, ("8.0",))
            best = min(best, time.process_time() - started)
        return best

    assert seconds(1600) < 20 * seconds(200)
