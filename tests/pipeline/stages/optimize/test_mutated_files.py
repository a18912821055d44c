"""Mutated files end as a graph or as an error of ours; the long run is in mutated_files.py."""

import random

import onnx_ir as ir
import pytest

from tests.pipeline import attention_graphs as graphs
from tests.pipeline.stages.optimize.mutated_files import FINE, MUTATIONS, REFUSED, handle
from tests.pipeline.text_graphs import model_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "model.onnx"
    ir.save(model_of(graphs.attention(), opset=18), path)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(40))
def test_no_mutation_ends_in_a_traceback(data, tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "model.onnx"
    path.write_bytes(rng.choice(MUTATIONS)(bytearray(data), rng))
    assert handle(path) in (FINE, REFUSED)


def test_the_untouched_file_is_fine(data, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert handle(path) == FINE
