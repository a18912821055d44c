"""Constants are computed, reshape targets written plainly; large and random values are left."""

import numpy as np

from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of

X = "(float[B,S,8] x) => (float[N,M,K] y) "


def target_of(model):
    """Return the numbers of the only Reshape's target."""
    (node,) = [n for n in model.graph if n.op_type == "Reshape"]
    return node.inputs[1].const_value.numpy().tolist()


def test_a_chain_of_constants_is_one():
    body = "a = Constant<value_float=64.0>() b = Sqrt(a) c = Reciprocal(b) y = Mul(x, c)"
    model = assert_equal_after(X + "{" + body + "}")
    assert ops_of(model) == ["Mul"]
    (value,) = model.graph.initializers.values()
    assert value.const_value.numpy() == np.float32(0.125)


def test_a_scale_made_from_a_fixed_size():
    body = "s = Shape<start=2>(x) f = Cast<to=1>(s) r = Sqrt(f) y = Div(x, r)"
    assert ops_of(assert_equal_after(X + "{" + body + "}")) == ["Div"]


def test_torchscript_head_split():
    body = """i0 = Constant<value_int=0>() i1 = Constant<value_int=1>() s0 = Shape(x)
b = Gather(s0, i0) s1 = Shape(x) n = Gather(s1, i1) z = Constant<value_ints=[0]>()
b1 = Unsqueeze(b, z) n1 = Unsqueeze(n, z) h = Constant<value_ints=[2]>()
d = Constant<value_ints=[4]>() t = Concat<axis=0>(b1, n1, h, d) r = Reshape(x, t)
y = Transpose<perm=[0,2,1,3]>(r)"""
    text = X.replace("N,M,K", "B,H,S,D") + "{" + body + "}"
    model = assert_equal_after(text)
    assert ops_of(model) == ["Reshape", "Transpose"]
    assert target_of(model) == [0, 0, 2, 4]


def test_folded_batch_is_minus_one():
    body = "s = Shape<end=2>(x) n = ReduceProd<keepdims=1>(s) e = Constant<value_ints=[8]>() \
t = Concat<axis=0>(n, e) y = Reshape(x, t)"
    model = assert_equal_after(X.replace("N,M,K", "N,M") + "{" + body + "}")
    assert target_of(model) == [-1, 8]


def test_a_target_with_two_open_entries_stays():
    body = "s = Shape<end=1>(x) n = Shape<start=1, end=2>(x) t = Concat<axis=0>(n, s, e) \
y = Reshape(x, t)"
    model = assert_equal_after(X + "<int64[1] e = {8}> {" + body + "}")
    assert "Concat" in ops_of(model)


def test_empty_batches_still_reshape():
    text = (
        X.replace("N,M,K", "B,S,H,D")
        + "{ s = Shape<end=2>(x) h = Constant<value_ints=[2,4]>() \
t = Concat<axis=0>(s, h) y = Reshape(x, t) }"
    )
    assert_equal_after(text, feeds={"x": np.zeros((0, 5, 8), np.float32)})


def test_large_results_are_not_stored():
    body = "s = Constant<value_ints=[1,300,300]>() o = Constant<value_float=1.0>() \
e = Expand(o, s) r = ReduceSum<keepdims=0>(e) y = Add(x, r)"
    model = assert_equal_after(X + "{" + body + "}")
    assert sum(v.const_value.nbytes for v in model.graph.initializers.values()) < 1000


def test_random_numbers_stay_random():
    body = "r = RandomNormal<shape=[8]>() z = Constant<value_float=0.0>() n = Mul(r, z) \
y = Add(x, n)"
    # ONNX Runtime has random numbers up to opset 21.
    model = assert_equal_after(X + "{" + body + "}", opset=18, target=21)
    assert "RandomNormal" in ops_of(model)


def test_quantized_constants_stay_as_written():
    body = "q = Constant<value = int8[8] {1,2,3,4,5,6,7,8}>() s = Constant<value_float=0.5>() \
w = DequantizeLinear(q, s) y = Mul(x, w)"
    assert "DequantizeLinear" in ops_of(assert_equal_after(X + "{" + body + "}"))


def test_a_constant_output_keeps_its_node():
    text = "(float[B] x) => (float[B] y, float[1] z) { y = Neg(x) \
a = Constant<value_floats=[4.0]>() z = Sqrt(a) }"
    model = assert_equal_after(text)
    assert [v.name for v in model.graph.outputs] == ["y", "z"]
