"""A stage's name says which record its artifact holds."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import FolderError
from pipeline.records.variant import is_variant, variant_record
from tests.pipeline.records.made import engine_record, export_record, optimize_record


def artifact(stage, record):
    return SimpleNamespace(folder=Path("out"), stage=stage, facts=record.to_json())


@pytest.mark.parametrize(
    ("stage", "record"),
    [
        ("optimize.ort-cpu-fp32", optimize_record()),
        ("build-engine.tensorrt-fp16", engine_record()),
    ],
)
def test_variants_are_read_by_their_name(stage, record):
    assert is_variant(stage)
    assert variant_record(artifact(stage, record)) == record


@pytest.mark.parametrize("stage", ["export", "parity", "perf", "optimizer"])
def test_other_stages_make_none(stage):
    assert not is_variant(stage)


def test_another_record_under_the_name_is_refused():
    with pytest.raises(FolderError, match="the optimize record"):
        variant_record(artifact("optimize.ort-cpu-fp32", export_record()))
