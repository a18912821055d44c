import json

import onnx
import pytest
from onnx.parser import parse_model

from pipeline.artifacts import open_folder
from pipeline.perf.bench import _gate
from pipeline.perf.limits import roofline_rows
from pipeline.perf.options import PerfOptions
from pipeline.perf.roofline import Peaks
from pipeline.perf.stage import measure_perf
from pipeline.records.perf import PerfRecord, PerfResult
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import export_model
from tests.pipeline.records.judged import ratio

MODEL = """
import torch

def model():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.GELU(), torch.nn.Linear(64, 16))
    return net, {"input": torch.randn(2, 16)}
"""
QUICK = {"sessions": 2, "rounds": 2, "turn_ms": 1.0, "threads": 1}


def graph(path, body):
    text = '<ir_version: 10, opset_import: ["" : 20]> '
    onnx.save(
        parse_model(f"{text} g (float[batch, 64] x) => (float[batch, 64] y) {{ {body} }}"), path
    )
    return path


def test_two_files_are_measured_with_their_roofline(tmp_path):
    short = graph(tmp_path / "short.onnx", "y = Erf(x)")
    chain = (
        "; ".join(f"a{i} = Erf(a{i - 1})" for i in range(1, 60)).replace("a0", "x").replace(";", "")
    )
    long = graph(tmp_path / "long.onnx", f"{chain} y = Erf(a59)")
    options = PerfOptions((long, short), batch=(64,), output=tmp_path / "o" / "perf.json", **QUICK)
    made = measure_perf(options)
    assert made.seconds > 0
    record = PerfRecord.of(made)
    (ratio,) = record.ratios
    assert (ratio.contender, ratio.baseline) == ("short.onnx", "long.onnx")
    assert ratio.value > 2
    stored = PerfResult.from_json(json.loads(options.output.read_text()))
    assert stored == record.result
    assert len(stored.results[0].samples) == 2
    assert {row.contender for row in stored.roofline} == {"short.onnx", "long.onnx"}
    row = stored.roofline[0]
    assert row.share == pytest.approx(row.limit_ms / row.measured_ms)
    assert row.constructs[0].construct == "activation"


@pytest.mark.slow
def test_a_folder_is_measured_against_torch_and_reused(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    out = tmp_path / "out"
    export_model(ExportOptions(f"{tmp_path}/net.py:model", out))
    options = PerfOptions((out,), batch=(1,), **QUICK)
    made = measure_perf(options)
    record = PerfRecord.of(made)
    assert [c.name for c in record.contenders] == ["eager", "exported"]
    assert record.contenders[0].describe["model"]["runtime"] == "torch"
    assert record.results[0].samples is None
    stored = PerfResult.from_json(json.loads(made.path(record.file).read_text()))
    assert stored.results[0].samples
    assert measure_perf(options).reused
    assert open_folder(out).stage("perf").digest == made.digest


def test_the_gate_wants_the_whole_interval(tmp_path):
    rows = [ratio("ours", low=low) for low in (1.4, 1.6, None)]
    assert len(_gate(1.5, rows)) == 2
    assert _gate(None, rows) == ()
    assert _gate(1.0, [ratio("exported", low=1.4)]) == ()


def test_no_graphs_no_roofline():
    assert roofline_rows([], [], [], [Peaks(1.0, 1.0)], None) == ()
