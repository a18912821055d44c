"""The families are of operators that exist, and masks go where the specifications say."""

import onnx.defs
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as native

from pipeline import operators

KNOWN = {}  # name -> names of its inputs, in the newest version
for _schema in native.get_all_operator_schema():
    if _schema.domain == "com.microsoft":
        KNOWN[_schema.name] = [value.name for value in _schema.inputs]
for _schema in onnx.defs.get_all_schemas():
    if _schema.domain == "":
        KNOWN[_schema.name] = [value.name for value in _schema.inputs]
INTERNAL = {"SimplifiedLayerNormalization"}  # of ONNX Runtime alone, in ai.onnx
FAMILIES = {name: value for name, value in vars(operators).items() if name.isupper()}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_holds_operators_that_exist(family):
    assert set(FAMILIES[family]) - INTERNAL <= KNOWN.keys()
    assert FAMILIES[family]


@pytest.mark.parametrize("name", sorted(operators.MASK_INPUT))
def test_a_mask_goes_where_the_specification_says(name):
    """Not into the bias of projections, nor into a mask of keys alone."""
    assert KNOWN[name][operators.MASK_INPUT[name]] in ("attn_mask", "attention_bias")


def test_families_that_mean_other_things_share_nothing():
    apart = [
        operators.ATTENTIONS, operators.NORMS, operators.GELUS, operators.CONTROL_FLOW,
        operators.RANDOM, operators.QUANTISERS, operators.COMPARISONS, operators.CASTS,
        operators.GATHERS, operators.RESHAPES,
    ]  # fmt: skip
    assert sum(map(len, apart)) == len(frozenset().union(*apart))
    assert operators.PLAIN_NORMS < operators.NORMS
    assert not operators.PLAIN_NORMS & operators.RESIDUAL_NORMS


def test_gathers_take_a_table_and_indices():
    for name in operators.GATHERS:
        assert KNOWN[name][:2] == ["data", "indices"]
