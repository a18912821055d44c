"""Bound memory: who may see it, who may write it, and that outputs keep their order."""

import gc

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from pipeline.ort.binding import Binding
from pipeline.ort.session import Session
from tests.pipeline.text_graphs import model_of

ADDS = """(float[N] past, float[M] other) => (float[M] y, float[N] present, float[M] z) {
    one = Constant<value_floats=[1.0]>() present = Add(past, one) y = Neg(other) z = Add(y, y) }"""


@pytest.fixture
def adds():
    """Return a session that counts `past` up, to be written in place."""
    return Session(ir.to_proto(model_of(ADDS)).SerializeToString())


@pytest.fixture
def binding(adds):
    return Binding(adds.raw, "cpu", {"present": "past"})


def array(*values):
    return np.array(values, np.float32)


def test_an_array_that_is_bound_is_written_into_in_every_run(binding):
    past = array(0, 10)
    binding.bind("past", past)
    binding.bind("other", array(5))
    binding.make(["y", "z"], "cpu")
    for _ in range(3):
        binding.run()
    assert past.tolist() == [3, 13]
    assert binding.given("past") is past


def test_an_array_that_is_given_stays_as_it_is(binding):
    past, other = array(0, 10), array(5)
    binding.give("past", past)
    binding.give("other", other)
    binding.make(["y", "z"], "cpu")
    other[:] = 9  # what was given was copied
    binding.run()
    assert past.tolist() == [0, 10]
    assert binding.given("past").tolist() == [1, 11]
    found = binding.lent(["z", "y"])
    assert {name: value.tolist() for name, value in found.items()} == {"z": [-10], "y": [-5]}


def test_what_is_given_again_takes_the_same_memory_while_it_has_the_same_form(binding):
    binding.give("past", array(0))
    binding.give("other", array(1, 2))
    first = binding.given("other")
    binding.give("other", array(3, 4))
    assert binding.given("other") is first
    binding.make(["y", "z"], "cpu")
    binding.run()
    assert binding.lent(["y"])["y"].tolist() == [-3, -4]
    binding.give("other", array(7))
    binding.make(["y", "z"], "cpu")
    binding.run()
    assert binding.lent(["y"])["y"].tolist() == [-7]
    assert first.tolist() == [3, 4]


def test_an_array_that_was_bound_is_not_written_over_by_what_is_given(binding):
    mine = array(1)
    binding.bind("other", mine)
    binding.give("other", array(2))
    assert mine.tolist() == [1]
    given = binding.given("other")
    binding.bind("other", mine)
    binding.give("other", array(3))
    assert (mine.tolist(), given.tolist()) == ([1], [2])


def test_strides_are_not_misread(binding):
    binding.bind("past", array(0))
    binding.bind("other", array(1, 2, 3, 4)[::2])
    binding.make(["y", "z"], "cpu")
    binding.run()
    assert binding.lent(["y"])["y"].tolist() == [-1, -3]


def test_outputs_made_anew_outlive_the_next_run_and_the_binding(binding):
    binding.give("past", array(0))
    kept = []
    for step in range(1, 4):
        binding.give("other", np.full(500, step, np.float32))
        binding.make(["y", "z"], "cpu")
        binding.run()
        kept.append(binding.lent(["y"])["y"])
    del binding
    gc.collect()
    assert [set(y.tolist()) for y in kept] == [{-1.0}, {-2.0}, {-3.0}]


def test_outputs_without_that_are_written_over(binding):
    binding.bind("past", array(0))
    other = array(1)
    binding.bind("other", other)
    binding.make(["y", "z"], "cpu")
    binding.run()
    first = binding.lent(["y"])["y"]
    other[:] = 4
    binding.run()
    assert first.tolist() == [-4]


def test_bfloat16_is_bound_as_its_bits():
    text = "(bfloat16[2] x) => (bfloat16[2] y) { y = Identity(x) }"
    session = Session(ir.to_proto(model_of(text)).SerializeToString())
    binding = Binding(session.raw, "cpu", {})
    binding.give("x", np.full(2, 2.5, ml_dtypes.bfloat16))
    binding.make(["y"], "cpu")
    binding.run()
    assert binding.lent(["y"])["y"].tolist() == [2.5, 2.5]
