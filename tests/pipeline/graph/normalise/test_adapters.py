"""Every form that changed between opsets is rewritten, and nothing else needs to be."""

from itertools import pairwise

import onnx
import pytest

from pipeline.graph.normalise.adapters import ADAPTERS
from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of

X = "(float[B,S,8] x) => (float[N,M,K] y) "
CASES = {
    "mean": (17, "y = ReduceMean<axes=[-1]>(x)"),
    "max of all": (17, "y = ReduceMax<keepdims=0>(x)"),
    "sum": (11, "y = ReduceSum<axes=[1], keepdims=0>(x)"),
    "squeeze": (11, "u = Unsqueeze<axes=[0, 2]>(x) y = Squeeze<axes=[0, -3]>(u)"),
    "split sizes": (11, "a, b = Split<axis=-1, split=[3, 5]>(x) y = Concat<axis=2>(b, a)"),
    "even split": (11, "a, b = Split<axis=-1>(x) y = Concat<axis=2>(b, a)"),
    "even split 13": (13, "a, b = Split<axis=-1>(x) y = Sub(b, a)"),
    "softmax": (12, "y = Softmax<axis=-1>(x)"),
    "softmax of the last axis": (12, "y = Softmax<axis=2>(x)"),
    "softmax over two axes": (12, "y = Softmax<axis=1>(x)"),
    "softmax by default": (11, "y = Softmax(x)"),
    "log softmax": (10, "y = LogSoftmax<axis=1>(x)"),
    "hardmax": (11, "y = Hardmax<axis=1>(x)"),
    "clip": (10, "y = Clip<min=-0.5, max=0.25>(x)"),
    "clip below": (10, "y = Clip<min=0.0>(x)"),
    "pad": (10, "y = Pad<pads=[0,1,0,0,0,2], value=1.5>(x)"),
    "pad reflected": (10, 'y = Pad<mode="reflect", pads=[0,1,0,0,1,0]>(x)'),
    "dropout": (10, "y = Dropout<ratio=0.5>(x)"),
    "dropout with mask": (10, "d, m = Dropout<ratio=0.5>(x) y = Neg(d)"),
    "slice": (9, "y = Slice<axes=[1], starts=[1], ends=[9999]>(x)"),
    "top k": (9, "v, i = TopK<axis=-1, k=3>(x) y = Neg(v)"),
    "scatter": (10, "z = ArgMax<axis=-1>(x) m = ReduceMax<axes=[-1]>(x) "
                    "y = Scatter<axis=2>(x, z, m)"),
    "constants": (10, "c = Constant<value = float[1] {2.0}>() y = Mul(x, c)"),
}  # fmt: skip


@pytest.mark.parametrize(("opset", "body"), CASES.values(), ids=CASES.keys())
def test_numbers_stay(opset, body):
    model = assert_equal_after(X + "{" + body + "}", opset=opset)
    assert model.opset_imports[""] == 23


IMAGE = "(float[B,4,6,7] x) => (float[N,M,K,L] y) "
IMAGES = {
    "upsample": (9, "s = Constant<value = float[4] {1.0,1.0,2.0,3.0}>() y = Upsample(x, s)"),
    "upsample linear": (9, "s = Constant<value = float[4] {1.0,1.0,2.0,2.0}>() \
y = Upsample<mode=\"linear\">(x, s)"),
    "resize": (10, "s = Constant<value = float[4] {1.0,1.0,2.0,2.0}>() y = Resize(x, s)"),
    "resize down": (10, "s = Constant<value = float[4] {1.0,1.0,0.6,0.5}>() y = Resize(x, s)"),
    "batch norm": (9, "s = Constant<value = float[4] {1.0,2.0,3.0,4.0}>() \
y = BatchNormalization<epsilon=0.1>(x, s, s, s, s)"),
    "group norm": (18, "s = Constant<value = float[2] {1.0,2.0}>() \
y = GroupNormalization<num_groups=2>(x, s, s)"),
}  # fmt: skip


@pytest.mark.parametrize(("opset", "body"), IMAGES.values(), ids=IMAGES.keys())
def test_numbers_of_images_stay(opset, body):
    # The group norm of opset 21 sums in another order.
    assert_equal_after(IMAGE + "{" + body + "}", opset=opset, rtol=1e-4 if "Group" in body else 0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_grid_sample_modes(mode):
    text = "(float[B,4,6,7] x, float[B,3,3,2] g) => (float[N,M,K,L] y) { y = GridSample<mode="
    assert_equal_after(text + f'"{mode}">(x, g) }}', opset=16)


def test_dft_keeps_its_axis():
    text = "(float[B,16,1] x) => (float[N,M,K] y) { y = DFT(x) }"
    assert_equal_after(text, opset=17, rtol=1e-6)


def test_attributes_of_a_raised_node_are_gone():
    text = "(float[B,S,8] x) => (float[N,M] y) { y = ReduceMean<axes=[-1], keepdims=0>(x) }"
    (node,) = assert_equal_after(text, opset=13).graph
    assert "axes" not in node.attributes
    assert node.inputs[1].const_value.numpy().tolist() == [-1]


def test_softmax_of_the_last_axis_stays_one_node():
    text = "(float[B,S,8] x) => (float[B,S,8] y) { y = Softmax<axis=2>(x) }"
    model = assert_equal_after(text, opset=11)
    assert ops_of(model) == ["Softmax"]
    assert model.graph.node(0).attributes["axis"].value == -1


def test_a_body_is_raised_too():
    text = """(bool c, float[B,S] x) => (float[N,M] y) { y = If (c) <
then_branch = g1 () => (float[p,q] a) { a = ReduceMean<axes=[1]>(x) },
else_branch = g2 () => (float[p,q] b) { b = Softmax<axis=0>(x) }> }"""
    assert_equal_after(text, opset=11)


def test_the_table_covers_every_change_of_form():
    """An attribute that went, an input that moved or a default that changed needs an adapter."""
    schemas: dict[str, dict[int, onnx.defs.OpSchema]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            schemas.setdefault(schema.name, {})[schema.since_version] = schema
    missing = []
    for name, versions in schemas.items():
        known = {since for since, _ in ADAPTERS.get(name, ())}
        old = [v for v in sorted(versions) if v <= 10][-1:]
        line = [*old, *(v for v in sorted(versions) if v > 10)]
        for before, after in pairwise(line):
            if _changed(versions[before], versions[after]) and after not in known:
                missing.append(f"{name} {before} -> {after}")
    assert missing == []


def _changed(before: onnx.defs.OpSchema, after: onnx.defs.OpSchema) -> bool:
    lost = set(before.attributes) - set(after.attributes)
    kept = set(before.attributes) & set(after.attributes)
    other = [n for n in kept if _default(before, n) != _default(after, n)]
    moved = len(before.inputs) > len(after.inputs) or after.min_input > before.min_input
    gone = after.deprecated and not before.deprecated
    return bool(lost or other or moved or gone)


def _default(schema: onnx.defs.OpSchema, name: str) -> bytes:
    value = schema.attributes[name].default_value
    return value.SerializeToString() if value else b""
