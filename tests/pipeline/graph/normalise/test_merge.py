"""Equal computations are merged, unread ones go."""

from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of

X = "(float[B,S,8] x) => (float[B,S,8] y) "


def test_equal_nodes_are_one():
    body = "a = Sin(x) b = Sin(x) c = Mul(a, b) y = Add(c, b)"
    assert ops_of(assert_equal_after(X + "{" + body + "}")) == ["Sin", "Mul", "Add"]


def test_equal_constants_are_one():
    body = "o = Constant<value_float=2.0>() t = Constant<value_float=2.0>() a = Mul(x, o) \
b = Mul(x, t) y = Sub(a, b)"
    assert ops_of(assert_equal_after(X + "{" + body + "}")) == ["Mul", "Sub"]


def test_other_attributes_are_another_node():
    body = "a = Softmax<axis=1>(x) b = Softmax<axis=2>(x) y = Add(a, b)"
    assert ops_of(assert_equal_after(X + "{" + body + "}")).count("Softmax") == 2


def test_random_nodes_are_not_merged():
    body = "a = RandomNormalLike(x) b = RandomNormalLike(x) z = Sub(x, x) c = Mul(a, z) \
d = Mul(b, z) e = Add(c, d) y = Add(x, e)"
    # ONNX Runtime has random numbers up to opset 21.
    model = assert_equal_after(X + "{" + body + "}", opset=18, target=21)
    assert ops_of(model).count("RandomNormalLike") == 2


def test_both_of_two_equal_outputs_stay():
    text = "(float[B] x) => (float[B] y, float[B] z) { y = Neg(x) z = Neg(x) }"
    assert ops_of(assert_equal_after(text)) == ["Neg", "Neg"]


def test_what_nobody_reads_goes():
    text = X + "<float[8] unread = {1,2,3,4,5,6,7,8}> { a = Sin(x) b = Cos(a) y = Neg(x) }"
    model = assert_equal_after(text)
    assert ops_of(model) == ["Neg"]
    assert not model.graph.initializers


def test_unread_statistics_of_a_norm_go():
    text = X + "<float[8] w = {1,1,1,1,1,1,1,1}> { y, mean, inverse = LayerNormalization(x, w) }"
    (node,) = assert_equal_after(text, opset=17, target=23).graph
    assert len(node.outputs) == 1


def test_a_body_reuses_what_is_outside():
    text = """(bool c, float[B,S] x) => (float[N,M] y) { o = Sin(x) i = If (c) <
then_branch = g1 () => (float[p,q] a) { s = Sin(x) a = Neg(s) },
else_branch = g2 () => (float[p,q] b) { b = Neg(x) }> y = Add(o, i) }"""
    model = assert_equal_after(text)
    body = next(n for n in model.graph if n.op_type == "If").attributes["then_branch"].as_graph()
    assert [n.op_type for n in body] == ["Neg"]
