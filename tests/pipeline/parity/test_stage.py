"""The stage: what it takes, what it keeps, when a comparison is made again, what is told first."""

import json

import numpy as np
import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError, UsageError
from pipeline.parity import files, folder
from pipeline.parity.options import ParityOptions
from pipeline.parity.stage import compare_parity, summary
from pipeline.records.parity import ParityRecord, ParityResult
from tests.pipeline.artifacts.notes import Note
from tests.pipeline.records.judged import (
    candidate,
    departure,
    generation,
    generation_row,
    not_generated,
    output,
    parity_result,
)

RESULT = parity_result()


@pytest.fixture
def exported(bert_export):
    return bert_export


@pytest.fixture
def compared(monkeypatch):
    """Return the options of each comparison; nothing is really compared."""
    calls = []

    def fake(options, *_):
        calls.append(options)
        return RESULT

    monkeypatch.setattr(folder, "compare_folder", fake)
    monkeypatch.setattr(files, "compare_files", fake)
    return calls


def test_a_folder_keeps_the_result_as_its_stage(exported, compared):
    made = compare_parity(ParityOptions(exported))
    record = ParityRecord.of(made)
    assert ParityResult.from_json(json.loads(made.path(record.file).read_text())) == RESULT
    assert record == summary(RESULT, "parity/parity.json")
    assert record.passed
    assert compare_parity(ParityOptions(exported)).reused


def changed(exported, change, tmp_path):
    (tmp_path / "texts.txt").write_text("one\n")
    np.savez(tmp_path / "inputs.npz", x=np.ones(2))
    before = ParityOptions(exported, text=tmp_path / "texts.txt", inputs=tmp_path / "inputs.npz")
    compare_parity(before)
    told = {"text": before.text, "inputs": before.inputs}
    if change == "texts":
        before.text.write_text("two\n")
    elif change == "inputs":
        np.savez(before.inputs, x=np.zeros(2))
    else:
        told |= change
    return compare_parity(ParityOptions(exported, **told))


@pytest.mark.parametrize(
    ("change", "reused"),
    [({}, True), ({"threads": 2}, True), ({"seeds": 5}, False), ({"relative": 0.1}, False),
     ({"dims": {"batch": 3}}, False), ("texts", False), ("inputs", False)],
    ids=str,
)  # fmt: skip
def test_it_is_made_again_when_and_only_when_it_must(change, reused, exported, compared, tmp_path):
    assert changed(exported, change, tmp_path).reused is reused


def test_a_named_candidate_never_replaces_the_folders_verdict(exported, compared, tmp_path):
    kept = compare_parity(ParityOptions(exported))
    candidate = tmp_path / "m.onnx"
    candidate.write_bytes(b"one")
    options = ParityOptions(exported, (candidate,), absolute=1e9, output=tmp_path / "own.json")
    made = compare_parity(options)
    assert ParityRecord.of(made).result == RESULT
    assert json.loads((tmp_path / "own.json").read_text())
    assert open_folder(exported).stage("parity").digest == kept.digest


def test_files_are_compared_and_written_where_it_is_said(compared, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"")
    options = ParityOptions(
        tmp_path / "a.onnx", (tmp_path / "b.onnx",), output=tmp_path / "deep/parity.json"
    )
    made = compare_parity(options)
    stored = json.loads((tmp_path / "deep/parity.json").read_text())
    assert ParityResult.from_json(stored) == RESULT
    assert (made.stage, ParityRecord.of(made).result) == ("parity", RESULT)


def test_nothing_to_compare_with(compared, tmp_path):
    with pytest.raises(UsageError, match="there is nothing to compare with"):
        compare_parity(ParityOptions(tmp_path / "a.onnx"))


def test_a_folder_without_an_export_says_what_to_do(compared, tmp_path):
    run_stage(
        open_folder(tmp_path / "d", create=True), "strange", {}, {}, lambda context: Note(), Note
    )
    with pytest.raises(FolderError) as caught:
        compare_parity(ParityOptions(tmp_path / "d"))
    assert "pipeline parity ORIGINAL.onnx" in caught.value.fix


@pytest.mark.parametrize(
    ("usages", "told"),
    [((0.25, 0.5), 0.5), ((0.0,), 0.0), ((0.1, None), None), ((), 0.0)],
    ids=["largest", "equal to the bit", "beyond all measure", "not run"],
)
def test_a_candidate_is_told_by_its_worst_output(usages, told):
    outputs = tuple(output(usage=usage) for usage in usages)
    (row,) = summary(parity_result(candidate(outputs=outputs))).candidates
    assert row.usage == told


def test_what_a_reader_needs_first():
    texts = generation(generation_row(equal=1), not_generated())
    told = summary(parity_result(generation=texts, bisect=(departure(),), notes=("a note",)))
    assert [(row.equal, row.skipped) for row in told.generation] == [(1, ""), (0, "no GPU")]
    assert (told.notes, told.bisect) == (("a note",), (departure(),))
    assert told.reference == RESULT.reference
    assert summary(RESULT).generation == ()
