"""The whole pass list on one graph, and what it must leave alone."""

import onnx_ir as ir

from pipeline.graph.normalise import PASSES, normalise
from pipeline.graph.normalise.draft import Draft
from tests.pipeline.graph.normalise.equal import assert_equal_after
from tests.pipeline.text_graphs import model_of


def test_every_pass_says_what_it_does():
    assert all(step.__doc__ for step in PASSES)


def test_normalising_twice_changes_nothing_more():
    text = "(float[B,S,8] x) => (float[B,S,8] y) { a = Identity(x) o = Constant<value_float=2.0>() \
r = Sqrt(o) y = Mul(a, r) }"
    model = assert_equal_after(text)
    before = model.graph.num_nodes(), list(model.graph.initializers)
    normalise(model, 23)
    assert (model.graph.num_nodes(), list(model.graph.initializers)) == before


def test_facts_are_of_the_normalised_graph():
    model = model_of(
        "(float[B,S] x) => (float[N,M] y) { a = Identity(x) \
y = Concat<axis=1>(a, a) }"
    )
    facts = normalise(model, 23)
    assert [str(d) for d in facts.shape(model.graph.outputs[0])] == ["B", "2*S"]


def test_large_weights_are_not_read(tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(4 * 64 * 2**16))
    model = model_of(
        "(float[B,64] x) => (float[B,N] y) { t = Transpose<perm=[1,0]>(x) \
z = Transpose<perm=[1,0]>(t) y = MatMul(z, z) }"
    )
    weight = ir.ExternalTensor(
        "w.data", 0, 4 * 64 * 2**16, ir.DataType.FLOAT, shape=ir.Shape([64, 2**16]), name="w",
        base_dir=tmp_path,
    )  # fmt: skip
    value = ir.Value(name="w", const_value=weight, type=ir.TensorType(ir.DataType.FLOAT))
    value.shape = ir.Shape([64, 2**16])
    model.graph.register_initializer(value)
    model.graph.node(2).replace_input_with(1, value)
    (tmp_path / "w.data").unlink()  # reading it would raise
    facts = normalise(model, 23)
    assert [str(d) for d in facts.shape(model.graph.outputs[0])] == ["B", "65536"]
    assert model.graph.initializers["w"].const_value is weight


def test_new_names_are_new():
    model = model_of("(float[B] x) => (float[B] y) { y = Neg(x) }")
    model.graph.inputs[0].name = "normal.2"
    names = [Draft(model, None).new_name()]
    draft = Draft(model, None)
    names += [draft.new_name() for _ in range(8)]
    assert len(set(names[1:])) == 8
    assert not set(names) & {"normal.2", "y"}
