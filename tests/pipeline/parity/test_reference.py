"""Where truth comes from: PyTorch where it can be had, the graph with a note where it cannot."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import psutil
import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import BadModelError, ChangedModelError, UnconfirmedCodeError
from pipeline.parity.reference import (
    GraphReference,
    TorchReference,
    declared_types,
    reference_for,
)
from pipeline.records.export import ExportRecord
from pipeline.stages.export import load
from tests.pipeline.records.made import tensor


@pytest.fixture
def folder(made_export):
    return made_export


@pytest.fixture
def exported(folder):
    return ExportRecord.of(open_folder(folder).stage("export"))


def outputs(runner):
    feeds = {name: np.ones((1, 4), np.int64) for name in runner.input_names}
    with runner:
        return next(iter(runner.run(feeds).values()))


def test_the_model_itself_in_any_precision(exported, folder):
    reference, note = reference_for(exported, folder)
    assert isinstance(reference, TorchReference)
    assert note == ""
    found = {p: outputs(reference.open("model", p)) for p in ("fp64", "fp32", "bf16", "fp64")}
    assert found["fp64"].dtype == np.float64
    size = np.abs(found["fp64"]).max()
    assert 0 < np.abs(found["fp32"] - found["fp64"]).max() < 1e-5 * size
    assert 1e-4 * size < np.abs(found["bf16"].astype(float) - found["fp64"]).max() < 0.1 * size


def test_rounded_weights_are_not_widened_again(exported, folder):
    reference, _ = reference_for(exported, folder)
    before = outputs(reference.open("model", "fp64"))
    outputs(reference.open("model", "fp16"))
    assert np.array_equal(outputs(reference.open("model", "fp64")), before)


def test_where_float64_would_not_fit_the_graph_stands_in(exported, folder, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    reference, note = reference_for(exported, folder)
    assert isinstance(reference, GraphReference)
    assert "float64 weights would take" in note
    assert note.removeprefix("reference: the exported graph") in reference.describe()
    # the constants in the graph were rounded to float32
    torch = outputs(TorchReference(exported.model, folder).open("model", "fp64"))
    np.testing.assert_allclose(outputs(reference.open("model", "fp64")), torch, rtol=1e-6)


def test_a_model_that_is_gone_is_stood_in_for_and_it_is_said(exported, folder, monkeypatch):
    def gone(*_):
        raise BadModelError("there is no such folder")

    monkeypatch.setattr(load, "reload_parts", gone)
    reference, note = reference_for(exported, folder)
    assert isinstance(reference, GraphReference)
    assert "could not be loaded again: there is no such folder" in note


@pytest.mark.parametrize("error", [ChangedModelError, UnconfirmedCodeError])
def test_another_model_or_code_of_others_is_no_reason_for_the_graph(
    error, exported, folder, monkeypatch
):
    def refused(*_):
        raise error("no")

    monkeypatch.setattr(load, "reload_parts", refused)
    with pytest.raises(error):
        reference_for(exported, folder)


def test_types_as_they_are_declared():
    values = [tensor("a"), tensor("b", dtype="bfloat16"), tensor("c", dtype="double")]
    assert declared_types(values) == {
        "a": np.float32, "b": np.dtype(ml_dtypes.bfloat16), "c": np.float64,
    }  # fmt: skip
