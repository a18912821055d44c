"""Weights within a budget."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from pipeline.errors import BadModelError
from pipeline.judge.constants import Constants
from pipeline.judge.dtypes import precision_of


def weight(size: int) -> ir.Value:
    tensor = ir.tensor(np.arange(size, dtype=np.float32))
    return ir.Value(name=f"w{size}", const_value=tensor)


def test_what_fits_the_budget_is_converted_once():
    constants = Constants(precision_of("float64", True), budget_bytes=8 * 10)
    small, large = weight(10), weight(20)
    assert constants.keeps(small)
    assert not constants.keeps(large)
    first = constants.loader(small)
    assert first is not None
    assert first() is first()
    again = constants.loader(large)
    assert again is not None
    assert again() is not again()
    assert again().dtype == torch.float64


def test_computed_values_have_no_loader():
    node = ir.node("Neg", [weight(1)])
    assert Constants(precision_of("float64", True), 0).loader(node.outputs[0]) is None


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"value_int": 3}, 3), ({"value_floats": [1.5, 2.5]}, [1.5, 2.5])],
    ids=["int", "floats"],
)
def test_every_numeric_form_of_a_constant(attributes, expected):
    node = ir.node("Constant", [], attributes)
    load = Constants(precision_of("float64", True), 100).loader(node.outputs[0])
    assert load is not None
    assert load().tolist() == expected


def test_a_string_constant_is_refused():
    node = ir.node("Constant", [], {"value_string": "hello"})
    load = Constants(precision_of("float64", True), 100).loader(node.outputs[0])
    with pytest.raises(BadModelError, match="no tensor of numbers"):
        load()
