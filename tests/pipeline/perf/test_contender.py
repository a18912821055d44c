"""What takes part is data: it survives the way into another process."""

import json

import pytest

from pipeline.perf.contender import Contender, GenerationJob, Job
from pipeline.records.record import as_json, read
from tests.pipeline.records.made import tensor

CONTENDERS = [
    Contender("eager", "eager", {"model": "/m.onnx"}, "/out"),
    Contender("ours", "ort", {"encoder": "/e", "decoder": "/d"}, "", "fp16", "cuda", 4),
]
JOBS = [
    Job("model batch=2", "model", "/feeds.npz", {"batch": 2}),
    Job("generation", "", "/feeds.npz", {}, GenerationJob(8, None, (tensor("input_ids", "b", 3),))),
    Job("generation", "", "/feeds.npz", {}, GenerationJob(8, 2, ())),
]


@pytest.mark.parametrize("made", [*CONTENDERS, *JOBS], ids=lambda made: made.name)
def test_it_is_the_same_on_the_other_side(made):
    assert read(type(made), json.loads(json.dumps(as_json(made)))) == made
