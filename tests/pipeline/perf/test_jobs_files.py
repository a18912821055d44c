"""Jobs for graphs from anyone: batch in front, every other size a length, an empty past empty."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import UsageError
from pipeline.perf.jobs import TYPICAL
from pipeline.perf.jobs_files import file_jobs

HEAD = '<ir_version: 10, opset_import: ["": 20]> '
DECODER = (
    "g (float[rows, length, 4] x, float[rows, past_length, 4] past) => (float[rows, n, 4] y) "
    "{ y = Concat<axis=1>(past, x) }"
)


def graph(path, text):
    onnx.save(parse_model(HEAD + text), path)
    return path


def sizes(jobs):
    return [dict(job.sizes) for job in jobs]


def test_every_batch_with_every_length(tmp_path):
    path = graph(tmp_path / "m.onnx", DECODER)
    made = file_jobs([path], "model", (1, 3), (5, 9), tmp_path)
    assert [(s["rows"], s["length"], s["past_length"]) for s in sizes(made)] == [
        (1, 5, 0), (1, 9, 0), (3, 5, 0), (3, 9, 0),
    ]  # fmt: skip
    assert {job.part for job in made} == {"model"}
    with np.load(made[2].feeds) as feeds:
        assert feeds["x"].shape == (3, 5, 4)
        assert feeds["past"].shape == (3, 0, 4)


def test_without_lengths_it_is_the_typical_one(tmp_path):
    path = graph(tmp_path / "m.onnx", DECODER)
    (made,) = file_jobs([path], "model", (2,), (), tmp_path)
    assert made.sizes["length"] == TYPICAL


def test_sizes_that_come_out_alike_are_timed_once(tmp_path):
    path = graph(tmp_path / "m.onnx", "g (float[b, 8] x) => (float[b, 8] y) { y = Relu(x) }")
    assert sizes(file_jobs([path], "model", (1, 4), (5, 9), tmp_path)) == [{"b": 1}, {"b": 4}]


def test_the_first_graph_makes_the_inputs_of_engines_too(tmp_path):
    path = graph(tmp_path / "m.onnx", "g (float[b, 8] x) => (float[b, 8] y) { y = Relu(x) }")
    assert len(file_jobs([Path("a.plan"), path], "model", (1,), (), tmp_path)) == 1


def test_engines_alone_are_refused(tmp_path):
    with pytest.raises(UsageError, match="engines alone") as caught:
        file_jobs([Path("a.plan"), Path("b.plan")], "model", (1,), (), tmp_path)
    assert caught.value.where == "a.plan"
