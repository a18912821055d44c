"""Bad option values are refused where they are given."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.stages.export.options import DEFAULT_OPSET, STATIC_OPSET, ExportOptions


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"task": "juggling"}, "--task"),
        ({"dtype": "int7"}, "--dtype"),
        ({"exporter": "magic"}, "--exporter"),
        ({"kv_cache": "ring"}, "--kv-cache"),
        ({"opset": 17}, "--opset"),
        ({"opset": 99}, "--opset"),
        ({"opset": 20, "kv_cache": "static"}, "--opset"),
        ({"capacity": 64}, "--capacity"),
        ({"capacity": 1, "kv_cache": "static"}, "--capacity"),
    ],
    ids=lambda value: str(value),
)
def test_a_bad_value_names_its_option(wrong, named):
    with pytest.raises(UsageError) as caught:
        ExportOptions(model="m", output=Path("o"), **wrong)
    assert caught.value.where == named


def test_a_static_cache_raises_the_opset():
    plain = ExportOptions(model="m", output=Path("o"))
    static = ExportOptions(model="m", output=Path("o"), kv_cache="static")
    assert plain.resolved_opset == DEFAULT_OPSET
    assert static.resolved_opset == STATIC_OPSET
    assert ExportOptions(model="m", output=Path("o"), opset=18).resolved_opset == 18
