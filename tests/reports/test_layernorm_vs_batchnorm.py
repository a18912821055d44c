"""The check that tells LayerNorm from BatchNorm, and its published report."""

import importlib
import json

import pytest

SCRIPT = importlib.import_module("reports.layernorm-vs-batchnorm.measure")
KINDS, main, measure, HERE = SCRIPT.KINDS, SCRIPT.main, SCRIPT.measure, SCRIPT.HERE


def test_layer_norm_passes():
    result = measure("layer")
    assert result.invariant
    assert result.calibration is None


def test_batch_norm_is_exposed_by_padding_and_by_neighbours():
    result = measure("batch")
    assert not result.invariant
    assert min(result.padded.values()) > 1e-2
    assert result.neighbours > 1e-2


def test_gathered_statistics_hide_it_in_the_batch_but_carry_it():
    result = measure("batch-running")
    assert max(*result.padded.values(), result.neighbours) < 1e-5
    assert result.calibration > 1e-2
    assert not result.invariant


@pytest.mark.parametrize("seed", [1, 2])
def test_the_verdict_does_not_hang_on_a_seed(seed):
    assert [measure(kind, seed).invariant for kind in KINDS] == [True, False, False]


def test_the_report_is_what_the_code_measures(tmp_path):
    main(tmp_path)
    published = json.loads((HERE / "data.json").read_text())
    measured = json.loads((tmp_path / "data.json").read_text())
    assert [row["invariant"] for row in published] == [row["invariant"] for row in measured]
    assert (HERE / "report.md").read_text().endswith(SCRIPT.report([]).rpartition("\n\n")[2])
