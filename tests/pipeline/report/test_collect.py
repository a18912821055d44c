"""A folder's artifacts as one structure, in the order of the stages, without paths of here."""

import json

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.claims.check import RESULTS
from pipeline.errors import UsageError
from pipeline.records.bundle import BundleResults
from pipeline.records.parity import ParityRecord
from pipeline.records.perf import PerfRecord
from pipeline.report.collect import add_results, collect
from tests.pipeline.records.judged import parity_record, parity_result, perf_record, perf_result


@pytest.fixture
def folder(tmp_path):
    """Return a folder whose stages were made in another order than they are told."""
    made = open_folder(tmp_path / "out", create=True)

    def judged(record, result):
        def produce(context):
            context.path(record.file).write_text(json.dumps(result.to_json()))
            context.log(f"wrote {made.path}/{record.file}")
            return record

        return produce

    run_stage(made, "perf", {}, {}, judged(perf_record(), perf_result()), PerfRecord)
    run_stage(made, "parity", {}, {}, judged(parity_record(), parity_result()), ParityRecord)
    run_stage(made, "strange", {}, {}, lambda _context: perf_record(file=None), PerfRecord)
    return made


def stage_of(data, name):
    return next(stage for stage in data.stages if stage.stage == name)


def test_stages_are_told_in_their_order_and_unknown_ones_last(folder):
    data = collect(folder, "k")
    assert [stage.stage for stage in data.stages] == ["parity", "perf", "strange"]
    assert (data.name, data.key) == ("out", "k")
    assert data.machine.cores >= 1


def test_results_are_read_from_the_files_that_the_stages_name(folder):
    data = collect(folder, "k")
    assert (data.parity, data.perf) == (parity_result(), perf_result())
    (folder.path / "perf/perf.json").unlink()
    assert collect(folder, "k").perf is None


def test_notes_do_not_say_where_the_folder_lay(folder):
    (line,) = stage_of(collect(folder, "k"), "parity").log
    assert line.endswith("wrote parity/parity.json")
    assert str(folder.path) not in json.dumps(collect(folder, "k").to_json())


def test_a_stage_is_told_with_its_files(folder):
    stage = stage_of(collect(folder, "k"), "parity")
    (file,) = stage.files
    assert file.path == "parity/parity.json"
    assert file.bytes == (folder.path / file.path).stat().st_size
    assert len(stage.key) == len(file.sha256) == 64
    assert stage.seconds >= 0


def results(path, **fields):
    record = {"name": "m", "precision": "fp16", "ran": False, "reason": "no GPU"}
    told = {"format": BundleResults.FORMAT, "bundle": "b", "results": [record], "artifacts": {},
            "machine": {}, "when": "now"}  # fmt: skip
    path.write_text(json.dumps({**told, **fields}))
    return path


def test_results_of_bundles_are_kept_by_their_contents(folder, tmp_path):
    add_results(folder, results(tmp_path / "a.json"))
    add_results(folder, results(tmp_path / "b.json"))
    add_results(folder, results(tmp_path / "c.json", when="later"))
    assert len(list((folder.path / RESULTS).iterdir())) == 2
    assert {found.when for found in collect(folder, "k").elsewhere} == {"now", "later"}


def test_what_no_bundle_wrote_is_not_kept(folder, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UsageError):
        add_results(folder, tmp_path / "x.json")
    assert not (folder.path / RESULTS).exists()
