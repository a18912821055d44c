import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.perf.contender import Contender, GenerationJob, Job
from pipeline.perf.worker import Workbench
from pipeline.records.record import as_json
from tests.pipeline.records.made import tensor

TEXT = '<ir_version: 10, opset_import: ["" : 20]> g (float[n] x) => (float[n] y) { y = Erf(x) }'


@pytest.fixture
def bench(tmp_path):
    onnx.save(parse_model(TEXT), tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=np.ones(8, np.float32))
    made = Workbench()
    contender = Contender("c", "ort", {"model": str(tmp_path / "m.onnx")}, threads=1)
    job = Job("j", "model", str(tmp_path / "x.npz"))
    made.answer({"do": "setup", "contender": as_json(contender), "jobs": as_json([job])})
    return made


def test_commands(bench):
    opened = bench.answer({"do": "open"})
    assert opened["describe"]["model"]["runtime"] == "onnxruntime"
    assert len(bench.answer({"do": "time", "job": "j", "calls": 3})["series"]["j"]) == 3
    assert bench.answer({"do": "profile", "job": "j", "constructs": {}})["times"]
    assert bench.answer({"do": "probe", "bytes": 1 << 16})["flops"] > 0
    assert bench.answer({"do": "close"})["peak_rss_bytes"] > 0


class Constant:
    """A decoder that always says 1."""

    input_names = ("input_ids", "past_key_values.0.key")
    output_names = ("logits", "present.0.key")

    def run(self, feeds):
        rows, new = feeds["input_ids"].shape
        logits = np.zeros((rows, new, 5))
        logits[..., 1] = 1
        return {"logits": logits, "present.0.key": feeds["past_key_values.0.key"]}


def test_a_generation_splits_into_first_and_further_tokens(bench, tmp_path):
    np.savez(
        tmp_path / "g.npz", input_ids=np.ones((1, 4), int), attention_mask=np.ones((1, 4), int)
    )
    about = GenerationJob(6, None, (tensor("past_key_values.0.key", "b", 1, "p", 1),))
    bench.jobs["g"] = Job("g", "", str(tmp_path / "g.npz"), {"batch": 1}, about)
    bench.parts = {"model": Constant()}
    series = bench.answer({"do": "time", "job": "g", "calls": 2})["series"]
    assert {name: len(values) for name, values in series.items()} == {
        "g": 2,
        "g/first": 2,
        "g/next": 2,
    }
    assert series["g"][0] >= series["g/first"][0] + 5 * series["g/next"][0] * 0.99
