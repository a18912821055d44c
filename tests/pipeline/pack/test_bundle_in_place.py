"""The bundle's own way of writing caches in place agrees with the runner's."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from pipeline.ort.session import OrtOptions
from pipeline.ort.settings import SessionSettings
from pipeline.pack import bundle_in_place
from pipeline.stages.runners.ort_runner import OrtRunner
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of


def test_it_does_as_the_runner_does(tmp_path):
    pairs, path = {"nk": "pk", "nv": "pv"}, tmp_path / "cached.onnx"
    model = model_of(graphs.fused(), graphs.OPSET)
    ir.save(model, path)
    feeds = graphs.feeds_of(model, 2, 3)
    before = feeds["pk"].copy()
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = bundle_in_place.run(ort, session, feeds, pairs)
    wanted = OrtRunner(path, OrtOptions(settings=SessionSettings(in_place=pairs))).run(feeds)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(feeds["pk"], before)
