"""The engine builder's record: keys that stay, and shapes as three lists."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.engine import EngineRecord
from tests.pipeline.records.made import engine_part, engine_record


def test_a_profile_is_three_shapes_by_input():
    told = engine_record().to_json()
    assert told["parts"]["model"]["profiles"] == [{"x": [[1, 8], [2, 8], [4, 8]]}]
    (profile,) = EngineRecord.from_json(told).parts["model"].profiles
    assert (profile["x"].min, profile["x"].max) == ((1, 8), (4, 8))


@pytest.mark.parametrize(
    "shapes", [[[1], [2]], [[1], [2], [3], [4]], [1, 2, 3], [["1"], [2], [3]]], ids=str
)
def test_a_profile_of_anything_else_is_refused(shapes):
    told = engine_record().to_json()
    told["parts"]["model"]["profiles"] = [{"x": shapes}]
    with pytest.raises(FolderError, match="profiles"):
        EngineRecord.from_json(told)


def test_figures_the_builder_did_not_name_and_a_variant_that_there_is_not_are_absent():
    told = engine_record(variant=None).to_json()
    assert "variant" not in told
    assert "scratch_bytes" not in told["parts"]["model"]
    named = engine_record({"model": engine_part(scratch_bytes=0)}).to_json()
    assert named["parts"]["model"]["scratch_bytes"] == 0
