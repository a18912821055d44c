"""Networks of the builder's own kind, read through stand-ins for the three bindings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.builder.network import (
    attentions,
    create_network,
    dtype_name,
    is_causal,
    parse,
    set_targets,
    shape_of,
    tensors,
)
from pipeline.builder.request import ParserRow
from pipeline.records.engine import AttentionRow
from pipeline.records.tensors import TensorSpec
from tests.pipeline.builder import small


@pytest.mark.parametrize(
    ("version", "flags", "asked"),
    [("10.16.1", {"STRONGLY_TYPED": 1}, 2), ("11.0", {"STRONGLY_TYPED": 1}, 0), ("1.7", {}, 0)],
    ids=["10", "11", "rtx"],
)
def test_networks_are_strongly_typed_everywhere(version, flags, asked):
    kinds = SimpleNamespace(**flags)
    trt = SimpleNamespace(__version__=version, NetworkDefinitionCreationFlag=kinds)
    assert create_network(trt, SimpleNamespace(create_network=lambda bits: bits)) == asked


def test_targets_are_set_where_the_flavour_has_them():
    set_to = {}
    config = SimpleNamespace(set_compute_capability=lambda kind, i: set_to.update({i: kind}))
    kinds = SimpleNamespace(SM80="80", SM120="120")
    set_targets(SimpleNamespace(ComputeCapability=kinds), config, ("8.0", "12.0"))
    assert (config.num_compute_capabilities, set_to) == (2, {0: "80", 1: "120"})
    untouched = SimpleNamespace()
    set_targets(SimpleNamespace(), untouched, ("8.0",))
    set_targets(SimpleNamespace(ComputeCapability=kinds), untouched, ())
    assert vars(untouched) == {}


class Parser:
    """A parser that says what it is told to."""

    def __init__(self, good, errors):
        self.good, self.errors, self.num_errors = good, errors, len(errors)

    def parse_from_file(self, path):
        return self.good

    def get_error(self, i):
        return self.errors[i]


def error(node):
    return SimpleNamespace(
        code=lambda: "ErrorCode.UNSUPPORTED_NODE", desc=lambda: "no such thing",
        node=lambda: node, node_name=lambda: "mm", node_operator=lambda: "MatMul",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("good", "errors", "rows"),
    [
        (True, [], []),
        (True, [error(0)], []),
        (False, [error(0)], [ParserRow("UNSUPPORTED_NODE", "no such thing", "mm", "MatMul")]),
        (False, [error(-1)], [ParserRow("UNSUPPORTED_NODE", "no such thing", "", "")]),
        (False, [], [ParserRow("UNKNOWN", "the parser refused the file without a reason", "", "")]),
    ],
    ids=["good", "good with remarks", "node", "whole file", "silent"],
)  # fmt: skip
def test_errors_of_the_parser_are_rows(good, errors, rows, tmp_path):
    trt = SimpleNamespace(
        __version__="1.7", OnnxParser=lambda network, logger: Parser(good, errors)
    )
    builder = SimpleNamespace(create_network=lambda bits: "network")
    network, parser, found = parse(trt, builder, None, tmp_path / "m.onnx")
    assert (network, parser.good, found) == ("network", good, rows)


def test_types_and_shapes_in_our_words():
    class Unknown:
        @property
        def shape(self):
            raise ValueError("rank is not known")

    assert [dtype_name(f"DataType.{d}") for d in ("HALF", "BF16", "FLOAT", "INT64")] == [
        "float16", "bfloat16", "float32", "int64",
    ]  # fmt: skip
    assert shape_of(SimpleNamespace(shape=(2, -1))) == (2, -1)
    assert shape_of(Unknown()) == ()
    made = SimpleNamespace(name="x", dtype="DataType.HALF", shape=(2, -1))
    assert tensors(1, lambda i: made) == [TensorSpec("x", "float16", (2, -1))]


def test_the_future_is_masked_in_two_spellings():
    kinds = SimpleNamespace(NONE=0, UPPER_LEFT=1)
    trt = SimpleNamespace(CausalMaskKind=kinds)
    assert is_causal(trt, SimpleNamespace(causal_kind=1))
    assert not is_causal(trt, SimpleNamespace(causal_kind=0))
    assert is_causal(trt, SimpleNamespace(causal=True))


def test_attentions_of_a_real_network(tmp_path):
    trt = pytest.importorskip("tensorrt_rtx")
    from onnx import TensorProto as T

    path = small.attention(
        tmp_path / "m.onnx", q=("b", 2, 8, 16), mask=(T.FLOAT16, (8, 8)), k=("b", 2, 8, 16)
    )
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    network, _parser, rows = parse(trt, builder, logger, path)
    assert rows == []
    ((layer, row),) = attentions(trt, network)
    assert layer.attention is not None
    assert row == AttentionRow(
        name=row.name, dtype="float16", query=(-1, 2, 8, 16), key=(-1, 2, 8, 16), mask=row.mask,
        causal=False, dedicated=None, reason="",
    )  # fmt: skip
    assert row.mask.startswith("float16 [")
