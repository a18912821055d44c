"""Random transformer-like graphs keep their outputs for every target."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.fusion.attention import lower_parts as attention_parts
from tests.pipeline.stages.optimize.random_graphs import Draw, check

TARGETS = ("ort-cpu", "tensorrt", "onnx", "ort-cuda")


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=12, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(data=st.data())
def test_optimizing_keeps_every_output(target, data):
    text = Draw(lambda options: data.draw(st.sampled_from(list(options)))).layer()
    assert check(text, target, seed=1, proven=False) == "", text


def test_a_checker_that_accepts_anything_would_be_noticed(monkeypatch):
    monkeypatch.setattr(attention_parts, "lowest", lambda kind: -1.0)
    problems = []
    for seed in range(12):
        problems.append(check(Draw(random.Random(seed).choice).layer(), "onnx", seed, proven=False))
    assert any(problems)
