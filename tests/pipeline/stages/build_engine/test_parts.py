"""The child's own parts, run in this process: network, probe, seen, source, relations, worker."""

import io
import json

import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.graph import external_files, precision_of, read_graph
from pipeline.builder.network import attentions, dtype_name, parse, tensors
from pipeline.builder.preflight_attention import attentions as attention_nodes
from pipeline.builder.preflight_types import check_types
from pipeline.builder.probe import probe
from pipeline.builder.relations import consistent
from pipeline.builder.request import PlanRequest
from pipeline.builder.seen import Seen, constant, dtype_word
from pipeline.builder.worker import configure
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine.options import DEFAULT_TARGETS
from pipeline.stages.build_engine.source import find_source
from tests.pipeline.builder import small


@pytest.fixture
def trt():
    return pytest.importorskip("tensorrt_rtx")


@pytest.fixture
def builder(trt):
    logger = trt.Logger(trt.Logger.ERROR)
    return trt.Builder(logger), logger


def test_parse_gives_rows_for_errors(trt, builder, tmp_path):
    network, _parser, rows = parse(trt, *builder, small.attention(tmp_path / "m.onnx", softcap=2.0))
    assert [(r.node, r.operator) for r in rows] == [("att", "Attention")]
    network, _parser, rows = parse(trt, *builder, small.matmul(tmp_path / "g.onnx", "bf16"))
    assert rows == []
    (row,) = tensors(network.num_inputs, network.get_input)
    assert (row.name, row.dtype, row.shape) == ("x", "bfloat16", (4, 16))


def test_attentions_are_described(trt, builder, tmp_path):
    path = small.attention(
        tmp_path / "m.onnx", q=("b", 2, "s", 16), mask=(T.FLOAT16, ("b", 1, "s", "s"))
    )
    network, _parser, _rows = parse(trt, *builder, path)
    ((_layer, row),) = attentions(trt, network)
    assert (row.name, row.dtype, row.query) == ("att", "float16", (-1, 2, -1, 16))
    assert row.mask == "float16 [-1, 1, -1, -1]"
    assert not row.causal


@pytest.mark.parametrize(
    ("dtype", "size", "extra", "dedicated"),
    [
        ("fp16", 64, {}, True),
        ("fp16", 8, {}, False),
        ("fp16", 320, {}, False),
        ("bf16", 64, {"is_causal": 1}, True),
        ("fp16", 64, {"mask": (T.BOOL, ("b", 1, 1, "s"))}, True),
        ("fp32", 64, {}, False),
    ],
    ids=["plain", "head 8", "head 320", "causal", "mask", "fp32"],
)
def test_probe_agrees_with_the_fact_sheet(dtype, size, extra, dedicated, trt, tmp_path):
    errors = []

    class Log(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)

        def log(self, severity, text):
            if severity == trt.ILogger.ERROR:
                errors.append(text)

    logger = Log()
    made = trt.Builder(logger)
    path = small.attention(tmp_path / "m.onnx", dtype, q=("b", 2, "s", size), **extra)
    network, _parser, _rows = parse(trt, made, logger, path)
    rows = [row for _layer, row in attentions(trt, network)]
    (answer,) = probe(trt, made, rows, ["8.0"], errors)
    assert answer.dedicated is dedicated, answer.reason
    if not dedicated:
        assert ("float32" if dtype == "fp32" else f"head size {size}") in answer.reason


def test_configure(trt, builder, tmp_path):
    made, _logger = builder
    request = PlanRequest(
        "build", "tensorrt-rtx", tmp_path, tmp_path, ("8.0", "8.9"), tf32=False, level=2
    )
    config = configure(trt, made, request)
    assert not config.get_flag(trt.BuilderFlag.TF32)
    assert config.num_compute_capabilities == 2
    assert config.builder_optimization_level == 2


def test_dtype_names(trt):
    assert [dtype_name(t) for t in (trt.float16, trt.bfloat16, trt.int64, trt.bool)] == [
        "float16",
        "bfloat16",
        "int64",
        "bool",
    ]


def test_seen_infers_what_torchscript_files_lack(tmp_path):
    nodes = [
        h.make_node("MatMul", ["x", "w"], ["a"]),
        h.make_node("Attention", ["a", "a", "a"], ["y"], q_num_heads=2, kv_num_heads=2),
    ]
    path = small.save(
        tmp_path / "m.onnx",
        nodes,
        {"x": (T.FLOAT16, ("b", "s", 16))},
        {"y": T.FLOAT16},
        [small.weight("w", (16, 16), "fp16")],
    )
    seen = Seen(ir.load(path))
    (node,) = attention_nodes(seen)
    assert seen.shape(node.inputs[0]) == ("b", "s", 16)
    assert dtype_word(seen.dtype(node.inputs[0])) == "float16"
    assert precision_of(seen) == "fp16"
    assert constant(node.inputs[0]) is None
    assert [f.what for f in check_types(seen, DEFAULT_TARGETS)] == []
    graph = read_graph(path)
    assert (graph.attention_count, graph.softmax_count, external_files(seen.model)) == (1, 0, set())


def test_relations_keep_what_was_asked_for(tmp_path):
    from tests.pipeline.stages.build_engine.test_stage import kv

    model = ir.load(kv(tmp_path / "kv.onnx"))
    ranges = {n: SizeRange(1, 2, 3) for n in ("b", "seq", "past", "total")}
    assert consistent(model, ranges, ())["total"] == SizeRange(2, 4, 6)
    assert consistent(model, ranges, ("total",)) == ranges


def test_a_file_is_a_source_of_one_part(tmp_path):
    path = small.matmul(tmp_path / "m.onnx")
    source = find_source(path, "")
    assert [(p.name, p.file) for p in source.parts] == [("model", path)]
    assert source.parent is None


def test_the_worker_says_why_over_its_pipe(trt, tmp_path):
    from pipeline.builder import worker

    request = PlanRequest(
        "probe", "tensorrt-rtx", small.attention(tmp_path / "m.onnx"), tmp_path / "p", ("8.0",)
    )
    said = io.StringIO()

    class Never:
        now = False

    def say(event, data):
        said.write(json.dumps({"event": event, **data}) + "\n")

    assert worker._carry_out(trt, request, say, Never())
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    (network,) = [e for e in events if e["event"] == "network"]
    assert [a["name"] for a in network["attention"]] == ["att"]
