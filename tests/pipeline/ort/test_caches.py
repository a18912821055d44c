"""Caches stay in the runtime under any names; what they give and hold is nobody else's memory."""

import gc

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.errors import UsageError
from pipeline.ort.caches import FixedCache, GrowingCache
from pipeline.ort.errors import RunFailedError
from pipeline.ort.session import OrtOptions, Session
from pipeline.ort.settings import SessionSettings
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of

GROWS = """(float[B,S] new, float[B,P] a, float[S] scale, float[B,P] b)
    => (float[B,T] b2, float[B,S] y, float[B,T] a2) {
    scaled = Mul(new, scale) a2 = Concat<axis=1>(a, scaled) b2 = Concat<axis=1>(b, new)
    y = Neg(new) }"""
ADDS = """(float[B,4] a, float[M] other, float[B,4] new, float[B,4] b)
    => (float[B,4] b2, float[M] y, float[B,4] a2) {
    a2 = Add(a, new) b2 = Sub(b, new) y = Neg(other) }"""
PRESENTS = {"a": "a2", "b": "b2"}


def session_of(text):
    return Session(ir.to_proto(model_of(text)).SerializeToString())


def grown(**fixed):
    start = {name: np.zeros((2, 0), np.float64) for name in "ab"}
    return GrowingCache(session_of(GROWS), start, fixed, PRESENTS)


def fixed_size():
    start = {"a": np.zeros((2, 4), np.float32), "b": np.full((2, 4), 10, np.float32)}
    return FixedCache(session_of(ADDS), start, {}, PRESENTS)


def test_what_a_step_gives_is_the_past_of_the_next():
    cache = grown(scale=np.float32([2]))
    for step in range(1, 4):
        made = cache.step({"new": np.full((2, 1), step, np.float32), "ignored": np.zeros(1)})
        assert {name: value.tolist() for name, value in made.items()} == {"y": [[-step]] * 2}
    held = cache.arrays()
    assert held["a"].tolist() == [[2, 4, 6]] * 2
    assert held["b"].tolist() == [[1, 2, 3]] * 2


def test_what_is_not_fixed_is_given_in_every_step():
    cache = grown()
    for scale in (3, 5):
        cache.step({"new": np.ones((2, 1), np.float32), "scale": np.float32([scale])})
    assert cache.arrays()["a"].tolist() == [[3, 5]] * 2


def test_a_fixed_cache_is_written_into():
    cache = fixed_size()
    new = np.float32([[1] * 4, [2] * 4])
    for step in (1, 2, 3):
        made = cache.step({"new": new, "other": np.full(step, step, np.float32)})
        assert made["y"].tolist() == [-step] * step
    held = cache.arrays()
    assert (held["a"][:, 0].tolist(), held["b"][:, 0].tolist()) == ([3, 6], [7, 4])


@pytest.mark.parametrize("make", [lambda: grown(scale=np.float32([1])), fixed_size])
def test_rows_are_taken_in_another_order(make):
    cache = make()
    width = 1 if isinstance(cache, GrowingCache) else 4
    new = np.float32([[1], [2]]) + np.zeros((2, width), np.float32)
    feeds = {"new": new, "other": np.zeros(1, np.float32)}
    cache.step(feeds)
    before = cache.arrays()["a"].copy()
    for rows in ([1, 0], [0, 0]):
        cache.reorder(np.array(rows))
        before = before[rows]
        np.testing.assert_array_equal(cache.arrays()["a"], before)
    cache.step(feeds)
    assert cache.arrays()["a"][:, -1].tolist() == ([1, 2] if width == 1 else [3, 4])


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("kind", [GrowingCache, FixedCache])
def test_what_is_held_outlives_the_cache(kind, steps):
    """Before a step it is memory of this module, afterwards perhaps of the runtime."""
    session = session_of((ADDS if kind is FixedCache else GROWS).replace("4]", "N]"))
    start = {name: np.ones((2, 5000), np.float32) for name in "ab"}
    new = {"new": np.ones((2, 5000), np.float32), "other": np.zeros(9, np.float32)}
    cache = kind(session, start, {}, PRESENTS)
    cache.reorder(np.array([1, 0]))
    for _ in range(steps):
        cache.step({**new, "scale": np.ones(5000, np.float32)})
    held = cache.arrays()
    wanted = {name: value.copy() for name, value in held.items()}
    del cache, start, session
    gc.collect()
    others = [np.full_like(value, 99) for value in held.values() for _ in range(20)]
    for name, value in held.items():
        np.testing.assert_array_equal(value, wanted[name])
    assert len(others) == 40


@pytest.mark.parametrize("make", [lambda: grown(scale=np.float32([1])), fixed_size])
def test_a_step_that_cannot_run_says_so(make):
    with pytest.raises(UsageError, match=r"Inputs not given: (other, )?new"):
        make().step({})
    feeds = {"new": np.zeros((2, 3, 3), np.float32), "other": np.zeros(1, np.float32)}
    with pytest.raises(RunFailedError, match="failed while running"):
        make().step(feeds)


def test_attention_in_place_is_as_one_run_over_all_of_it():
    """Three steps of one token each end where a step of three tokens does."""
    model = model_of(graphs.fused(), graphs.OPSET)
    pairs = {"nk": "pk", "nv": "pv"}
    settings = OrtOptions(settings=SessionSettings(in_place=pairs))
    session = Session(ir.to_proto(model).SerializeToString(), settings)
    feeds = graphs.feeds_of(model, 2, 3) | {"at": np.array([1, 4])}
    whole = session.run(feeds)
    start = {name: feeds[name].copy() for name in ("pk", "pv")}
    cache = FixedCache(session, start, {"seen": feeds["seen"]}, {"pk": "nk", "pv": "nv"})
    for step in range(3):
        one = {name: np.ascontiguousarray(feeds[name][:, step : step + 1]) for name in "qkv"}
        made = cache.step({**one, "at": feeds["at"] + step})
        np.testing.assert_allclose(made["y"][:, 0], whole["y"][:, step], rtol=1e-5, atol=1e-6)
    for name, array in cache.arrays().items():
        np.testing.assert_array_equal(array, whole[{"pk": "nk", "pv": "nv"}[name]])
