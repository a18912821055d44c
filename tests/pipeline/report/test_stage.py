import json

import onnx
import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError, UsageError
from pipeline.records.parity import ParityRecord, ParityResult
from pipeline.records.perf import PerfRecord
from pipeline.report.collect import collect
from pipeline.report.options import ReportOptions
from pipeline.report.stage import write_report
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline.records.judged import parity_record, perf_record
from tests.pipeline.report.cells import told


@pytest.fixture
def folder(tmp_path, data):
    made = open_folder(tmp_path / "out", create=True)

    def parity(context):
        told = {"format": ParityResult.FORMAT, **data["parity"]}
        context.path("parity/parity.json").write_text(json.dumps(told))
        return parity_record()

    run_stage(made, "parity", {"seeds": 1}, {}, parity, ParityRecord)
    return made


def test_three_files_that_are_reused_until_something_changes(folder):
    first = write_report(ReportOptions(folder.path))
    assert first.passed
    assert not first.reused
    stored = json.loads(first.data.read_text())
    assert stored["parity"]["reference"] == "the PyTorch model in float64"
    assert "within budget" in first.html.read_text()
    assert "within budget" in first.markdown.read_text()
    assert write_report(ReportOptions(folder.path)).reused
    run_stage(folder, "perf", {}, {}, lambda _: perf_record(file=None, passed=False), PerfRecord)
    again = write_report(ReportOptions(folder.path))
    assert not again.reused
    assert not again.passed


def test_a_graph_changed_by_hand_is_a_broken_claim_in_a_new_report(tmp_path):
    source = tmp_path / "model.onnx"
    text = '<ir_version: 10, opset_import: ["": 20]> g (float[2] x) => (float[2] y) { y = Neg (x) }'
    onnx.save(onnx.parser.parse_model(text), source)
    optimize_model(OptimizeOptions(source, tmp_path / "out", proof="none"))
    assert write_report(ReportOptions(tmp_path / "out")).passed
    graph = tmp_path / "out/onnx/model.ort-cpu-fp32.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"Neg", b"Abs"))
    again = write_report(ReportOptions(tmp_path / "out"))
    assert not again.reused
    assert not again.passed


def test_it_can_be_published_elsewhere(folder, tmp_path):
    made = write_report(ReportOptions(folder.path, output=tmp_path / "reports" / "one"))
    assert made.html == tmp_path / "reports" / "one" / "report.html"
    assert made.html.is_file()
    assert not (folder.path / "report.html").exists()


def test_a_torn_report_is_written_again(folder):
    made = write_report(ReportOptions(folder.path))
    made.data.write_text("{")
    assert not write_report(ReportOptions(folder.path)).reused
    made.html.unlink()
    assert not write_report(ReportOptions(folder.path)).reused


def test_results_of_a_bundle_are_checked_and_kept(folder, tmp_path):
    junk = tmp_path / "junk.json"
    junk.write_text('{"a": 1}')
    with pytest.raises(UsageError, match="no results"):
        write_report(ReportOptions(folder.path, with_results=(junk,)))
    good = tmp_path / "results.json"
    record = {"name": "m.engine", "precision": "fp16", "ran": False, "reason": "no GPU"}
    good.write_text(
        json.dumps(
            {
                "format": 2,
                "bundle": "b",
                "results": [record],
                "artifacts": {},
                "machine": {"gpu": "none"},
                "when": "now",
            }
        )
    )
    write_report(ReportOptions(folder.path, with_results=(good,)))
    (found,) = collect(folder, "k").elsewhere
    assert found.measured[0].device == "no GPU"
    assert write_report(ReportOptions(folder.path)).reused


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(FolderError):
        write_report(ReportOptions(tmp_path))


def test_a_broken_claim_fails_the_report(data):
    assert not told(data).passed
    data["claims"] = [claim for claim in data["claims"] if claim["state"] != "broken"]
    assert told(data).passed
