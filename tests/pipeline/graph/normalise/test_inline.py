"""Functions written out."""

import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError
from pipeline.graph.normalise.inline import inline
from tests.pipeline import hostile_files as hostile


def test_calls_become_nodes():
    model = ir.from_proto(hostile.deep_functions(3))
    assert inline(model) == 3
    assert [node.op_type for node in model.graph] == ["MatMul", *["Relu"] * 8]
    assert inline(model) == 0


def test_another_opset_is_refused():
    proto = hostile.deep_functions(1)
    proto.functions[0].opset_import[0].version = 11
    with pytest.raises(BadModelError, match="pset"):
        inline(ir.from_proto(proto))


@pytest.mark.parametrize(
    ("proto", "words"),
    [(hostile.deep_functions(40), "nodes"), (hostile.endless_function(), "calls itself")],
    ids=["doubling", "endless"],
)
def test_what_grows_without_bound_is_refused(proto, words):
    with pytest.raises(BadModelError, match=words):
        inline(ir.from_proto(proto))
