"""The judge as a whole: modes, intermediate values, feeds, functions, errors."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import TensorProto, helper, parser

from pipeline.errors import BadModelError, UsageError
from pipeline.judge import Judge, UnsupportedOpError


def parsed(text: str) -> ir.Model:
    return ir.from_proto(parser.parse_model(text))


SQUARE = """
<ir_version: 10, opset_import: ["": 21]>
square ({t}[N] x) => ({t}[N] y) {{ s = Mul (x, x)  y = Sqrt (s) }}
"""


@pytest.mark.parametrize(
    ("declared", "mode", "root"),
    [
        ("float16", "float64", 300.0),
        ("float16", "float32", 300.0),
        ("float16", "declared", float("inf")),
        ("bfloat16", "declared", 300.0),
        ("float", "declared", 300.0),
        ("float", "float16", float("inf")),
        ("float", "bfloat16", 300.0),
    ],
)
def test_a_typed_square_overflows_only_where_it_would(declared, mode, root):
    model = parsed(SQUARE.format(t=declared))
    y = Judge(model, mode).run({"x": torch.tensor([300.0])})["y"]
    assert float(y) == root


def test_storage_alone_is_rounded_without_round_each():
    model = parsed(SQUARE.format(t="float"))
    x = torch.tensor([1.0009765625 + 2**-13], dtype=torch.float64)  # between two float16 values
    y = Judge(model, "float16", round_each=False).run({"x": x})["y"]
    assert float(y) == float(np.float16(x.item()))
    assert y.dtype == torch.float32


def test_each_mode_holds_its_own_type():
    model = parsed(SQUARE.format(t="float16"))
    held = {
        m: Judge(model, m).run({"x": torch.ones(1)})["y"].dtype
        for m in ("float64", "float32", "float16", "bfloat16", "declared")
    }
    assert held == {
        "float64": torch.float64,
        "float32": torch.float32,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
        "declared": torch.float16,
    }


ISLAND = """
<ir_version: 10, opset_import: ["": 21]>
island (float16[N] x) => (float16[N] y)
{ w = Cast <to = 1> (x)  s = Mul (w, w)  r = Sqrt (s)  y = Cast <to = 10> (r) }
"""


def test_a_cast_island_is_honoured_where_types_are_declared():
    x = {"x": torch.tensor([300.0])}
    assert float(Judge(parsed(ISLAND), "declared").run(x)["y"]) == 300.0
    assert float(Judge(parsed(ISLAND), "float16").run(x)["y"]) == float("inf")


def test_an_intermediate_value_can_be_read_and_replaced():
    judge = Judge(parsed(SQUARE.format(t="float")))
    assert judge.run({"x": torch.tensor([3.0])}, outputs=["s", "x"]).keys() == {"s", "x"}
    assert float(judge.run({"s": torch.tensor([49.0])}, outputs=["y"])["y"]) == 7.0
    # A replaced value stays replaced also where its producer still runs for another output.
    split = parsed("""
    <ir_version: 10, opset_import: ["": 21]>
    two (float[2] x) => (float[1] a, float[1] c)
    { a, b = Split <axis = 0, num_outputs = 2> (x)  c = Neg (b) }
    """)
    feeds = {"x": torch.tensor([1.0, 2.0]), "b": torch.tensor([5.0])}
    got = Judge(split).run(feeds)
    assert (float(got["a"]), float(got["c"])) == (1.0, -5.0)


def test_weights_are_results_and_defaults_like_any_value():
    model = parsed("""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[2] x, float[2] w) => (float[2] y)
    <float[2] w = {1.0, 2.0}>
    { y = Mul (x, w) }
    """)
    judge = Judge(model)
    assert judge.input_names == ["x"]
    assert judge.run({}, outputs=["w"])["w"].tolist() == [1.0, 2.0]
    x = torch.tensor([3.0, 3.0])
    assert judge.run({"x": x})["y"].tolist() == [3.0, 6.0]
    assert judge.run({"x": x, "w": torch.zeros(2)})["y"].tolist() == [0.0, 0.0]


def test_weights_beyond_the_cache_are_loaded_when_needed():
    model = parsed("""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[2] x) => (float[2] y, float[2] w)
    <float[2] w = {1.0, 2.0}, float[2] v = {10.0, 20.0}>
    { t = Mul (x, w)  u = Add (t, v)  y = Add (u, w) }
    """)
    judge = Judge(model, cache_bytes=0)
    for _ in range(2):
        got = judge.run({"x": torch.tensor([1.0, 1.0])})
        assert (got["y"].tolist(), got["w"].tolist()) == ([12.0, 24.0], [1.0, 2.0])


def test_model_functions_run_with_their_attributes():
    model = parsed("""
    <ir_version: 10, opset_import: ["": 21, "my": 1]>
    g (float[2] x) => (float[2] y) { y = my.scaled <alpha = 3.0> (x) }
    <domain: "my", opset_import: ["": 21]>
    scaled <alpha> (x) => (y)
    { a = Constant <value_float: float = @alpha> ()  y = Mul (x, a) }
    """)
    assert Judge(model).run({"x": torch.tensor([1.0, 2.0])})["y"].tolist() == [3.0, 6.0]


def test_an_observer_sees_inputs_and_every_result():
    seen = []
    Judge(parsed(SQUARE.format(t="float"))).run(
        {"x": torch.tensor([2.0])}, observe=lambda name, t: seen.append((name, float(t)))
    )
    assert seen == [("x", 2.0), ("s", 4.0), ("y", 2.0)]


def test_a_model_is_read_from_its_file(tmp_path):
    path = tmp_path / "square.onnx"
    ir.save(parsed(SQUARE.format(t="float")), path)
    assert float(Judge(path).run({"x": np.float32([2.0])})["y"]) == 2.0


def test_unknown_and_missing_names_are_listed():
    judge = Judge(parsed(SQUARE.format(t="float")))
    with pytest.raises(UsageError, match="no values for the inputs x"):
        judge.run({})
    with pytest.raises(UsageError, match="no value named 'z'") as caught:
        judge.run({"x": torch.ones(1)}, outputs=["z"])
    assert "outputs: y" in caught.value.fix
    with pytest.raises(UsageError, match="unknown judging mode"):
        Judge(parsed(SQUARE.format(t="float")), "fp16")


def test_a_feed_of_another_kind_is_refused():
    judge = Judge(parsed(SQUARE.format(t="float")))
    with pytest.raises(UsageError, match="is FLOAT but was fed"):
        judge.run({"x": torch.ones(1, dtype=torch.int64)})


def test_an_operator_nobody_has_is_named_with_its_place():
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="acme", name="n7")
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'encoder.layer.3']")
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [node], "g", [info], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
    )
    model = onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("acme", 1)])
    with pytest.raises(UnsupportedOpError, match="acme::Frobnicate") as caught:
        Judge(ir.from_proto(model)).run({"x": torch.ones(1)})
    assert "n7" in caught.value.where
    assert "encoder.layer.3" in caught.value.where


def test_sizes_that_do_not_fit_are_shown_with_the_node():
    model = parsed("""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] a, float[M] b) => (float[K] y) { y = Add (a, b) }
    """)
    with pytest.raises(BadModelError, match=r"Add cannot run on \(float64\[2\], float64\[3\]\)"):
        Judge(model).run({"a": torch.ones(2), "b": torch.ones(3)})


def test_a_value_that_nothing_computes_is_named():
    model = parsed("""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] a) => (float[N] y) { y = Add (a, ghost) }
    """)
    with pytest.raises(BadModelError, match="nothing computes the values ghost"):
        Judge(model).run({"a": torch.ones(2)})
