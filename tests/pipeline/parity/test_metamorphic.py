import numpy as np
import pytest

from pipeline.parity.metamorphic import (
    chunked_prefill,
    difference,
    identical_rows,
    padded_rows,
    permuted_rows,
)
from pipeline.records.tensors import axes_of
from tests.pipeline.records.made import tensor

VALUES = [
    tensor("x", "batch", "seq"),
    tensor("mask", "batch", "seq"),
    tensor("y", "batch", "seq"),
    tensor("mean", "batch"),
    tensor("table", 3),
]
BATCH, LENGTH = axes_of(VALUES, "batch"), axes_of(VALUES, "seq")


def model(feeds):
    """Return the masked mean over each row, and each element minus it."""
    x, mask = feeds["x"], feeds["mask"]
    mean = (x * mask).sum(1) / mask.sum(1)
    return {"y": x - mean[:, None], "mean": mean, "table": np.arange(3.0)}


def ignores_mask(feeds):
    mean = feeds["x"].mean(1)
    return {"y": feeds["x"] - mean[:, None], "mean": mean}


def leaks_between_rows(feeds):
    return {"y": feeds["x"] - feeds["x"].mean(), "mean": feeds["x"].mean(1)}


def depends_on_place(feeds):
    return {"y": feeds["x"] + np.arange(feeds["x"].shape[0])[:, None]}


@pytest.fixture
def feeds():
    x = np.random.default_rng(0).normal(size=(3, 5))
    return {"x": x, "mask": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])}


def worst(checks):
    return max(check.errors.max if not check.errors.bad else np.inf for check in checks)


def test_axes():
    assert BATCH == {"x": 0, "mask": 0, "y": 0, "mean": 0}
    assert LENGTH == {"x": 1, "mask": 1, "y": 1}


def test_a_sound_model_passes_all_three(feeds):
    assert worst(identical_rows(model, feeds, BATCH)) == 0
    assert worst(permuted_rows(model, feeds, BATCH)) == 0
    checks = padded_rows(model, feeds, BATCH, LENGTH, [3, 5, 1])
    assert {check.output for check in checks} == {"y", "mean"}
    assert worst(checks) < 1e-12


def test_each_fault_is_seen_by_its_check(feeds):
    assert worst(identical_rows(depends_on_place, feeds, BATCH)) >= 1
    assert worst(permuted_rows(depends_on_place, feeds, BATCH)) >= 1
    assert worst(padded_rows(ignores_mask, feeds, BATCH, LENGTH, [3, 5, 1])) > 0.01
    assert worst(padded_rows(leaks_between_rows, feeds, BATCH, LENGTH, [3, 5, 1])) > 0.01


def test_equal_values_are_bitwise_equal_and_other_shapes_are_lost():
    ones = np.ones((2, 3))
    assert difference("c", "y", ones, ones.copy()).bitwise
    assert not difference("c", "y", ones, ones + 1e-9).bitwise
    assert difference("c", "y", ones, ones[:1]).errors.bad == 3


def cumulative(feeds):
    """Return running sums over a cache, as a causal decoder's outputs depend on its past."""
    cached = np.concatenate([feeds["past_key_values.0.key"], feeds["x"]], axis=1)
    sums = np.cumsum(cached * feeds["mask"], axis=1)[:, -feeds["x"].shape[1] :]
    return {"logits": sums, "present.0.key": cached}


def forgets_the_past(feeds):
    return {
        **cumulative(feeds),
        "logits": np.cumsum(feeds["x"], axis=1),
    }


def test_chunks_are_compared_with_one_piece():
    feeds = {
        "x": np.arange(1.0, 11).reshape(2, 5),
        "past_key_values.0.key": np.zeros((2, 0)),
        "mask": np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 1]]),
    }
    new, past, both = {"x": 1, "logits": 1}, {"past_key_values.0.key": 1}, {"mask": 1}
    assert worst(chunked_prefill(cumulative, feeds, new, past, both)) == 0
    assert worst(chunked_prefill(forgets_the_past, feeds, new, past, both)) > 1
