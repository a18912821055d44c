"""Records as tables: what a reader looks for is there, and is text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.artifacts.artifact import Artifact
from pipeline.errors import FolderError
from pipeline.notebook import Grid
from pipeline.records.explain import ExplainRecord
from pipeline.records.files import FileRecord
from pipeline.records.optimize import GateRecord, OptimizedFileRecord
from pipeline.records.record import Record
from pipeline.records.shown import grids_of, record_of
from pipeline.stages.optimize.stage import OptimizedFile
from tests.pipeline.records import judged, made

REFUSED = made.site(refusal=made.refusal())
GRAPH = made.graph_record(sites=(made.site(state="fused", lowering="rule"), REFUSED))
FILE = OptimizedFileRecord(gates=(), **vars(GRAPH))
RECORDS = {
    "export": (made.export_record(), ("bert-tiny", "fill-mask", "x [batch, 8]", "random weights")),
    "optimize": (
        made.optimize_record(gates=(GateRecord(gate="norm=all", found=3, wanted=3),)),
        ("ort-cpu", "attention", "5 nodes -> 3", "norm=all"),
    ),
    "explain": (ExplainRecord(target="onnx", parts={"model": GRAPH}), ("onnx", "block.0")),
    "file": (FILE, ("attention", "make it a number")),
    "parity": (
        judged.parity_record(
            passed=False,
            candidates=(judged.summarized(usage=None),),
            generation=(judged.generation_summary(),),
            bisect=(judged.departure(),),
            notes=("random weights",),
        ),
        (
            "FAILED",
            "PyTorch model in float64",
            "ort-cpu-fp32",
            "beyond",
            "1 of 2",
            "block.0",
            "random weights",
        ),
    ),
    "perf": (
        judged.perf_record(
            passed=False,
            gate=("too slow",),
            ratios=(judged.ratio(resolved=False, verdict="no difference", high=None),),
            results=(judged.timing(), judged.timing(median=9.0, series="next")),
            warnings=("busy",),
        ),
        (
            "FAILED",
            "6 sessions",
            "model batch=1",
            "2.00",
            "1.90 to ?",
            "not resolved",
            "2.000",
            "too slow",
            "busy",
        ),
    ),
    "engine": (made.engine_record(), ("model", "MB", "attentions with a kernel")),
}


def cells(grids):
    found = []
    for grid in grids:
        found += [grid.title, *grid.columns, *(cell for row in grid.rows for cell in row)]
    return found


@pytest.mark.parametrize(("record", "told"), RECORDS.values(), ids=RECORDS)
def test_each_record_is_a_table(record, told):
    grids = record.grids()
    assert all(isinstance(cell, str) for cell in cells(grids))
    assert any(grid.rows for grid in grids)
    text = "\n".join(cells(grids))
    assert all(word in text for word in told), text
    assert all(len(row) == len(grid.columns) for grid in grids for row in grid.rows)
    assert record._repr_html_().count("<table>") == sum(bool(grid.columns) for grid in grids)


def test_tokens_are_no_calls():
    record = judged.perf_record(results=(judged.timing(median=9.0, series="next"),))
    assert [grid.rows for grid in record.grids() if "milliseconds" in grid.title] == [[]]


def test_what_was_not_fused_says_why_and_what_to_do():
    counts, left = FILE.grids()
    assert counts.rows == [("attention", "1", "0", "0")]
    assert left.rows == [
        ("block.0", "attention", "refused", "it is a tensor", "make it a number"),
    ]  # fmt: skip


def test_an_artifact_shows_its_record_and_its_files():
    record = made.export_record()
    artifact = Artifact(
        Path("out"), "export", "k", "d", facts=record.to_json(), seconds=2.5,
        files=(FileRecord("onnx/a.onnx", "s", 1500, False),),
    )  # fmt: skip
    assert record_of(artifact) == record
    *first, files = artifact.grids()
    assert first == record.grids()
    rows = [("onnx/a.onnx", "0.002 MB")]
    assert files == Grid("export: made in 2.5 s, in out", ("file", "size"), rows)
    assert artifact.as_reused().grids()[-1].title == "export: reused, in out"


def test_an_artifact_of_a_stage_without_a_record_shows_its_files():
    (files,) = Artifact(Path("out"), "own", "k", "d").grids()
    assert files.title.startswith("own: made")


def test_facts_that_are_no_record_are_not_shown_as_one():
    with pytest.raises(FolderError, match="format"):
        Artifact(Path("out"), "optimize.onnx-fp32", "k", "d", facts={"format": 99}).grids()


def test_a_file_names_itself_first():
    shown = OptimizedFile(Path("a.onnx"), FILE).grids()
    assert shown == [Grid("written to a.onnx"), *FILE.grids()]


def test_a_record_nobody_wrote_tables_for_names_itself():
    @dataclass(frozen=True, kw_only=True)
    class Other(Record):
        FORMAT, COMMAND = 1, "run"

    assert [grid.title for grid in grids_of(Other())] == ["Other, made by `pipeline run`"]
