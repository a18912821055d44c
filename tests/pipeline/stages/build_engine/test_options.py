from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.stages.build_engine.options import BuildEngineOptions, parse_pool

HERE = {"source": Path("m.onnx"), "output": Path("out")}


def test_pool_sizes():
    assert parse_pool("") is None
    assert parse_pool("workspace:4096") == 4096 << 20
    assert parse_pool("workspace:1.5G") == 3 << 29
    assert BuildEngineOptions(**HERE, mem_pool_size="workspace:64KiB").workspace_bytes == 64 << 10


@pytest.mark.parametrize(
    "bad",
    [
        {"backend": "cuda"},
        {"profiling_verbosity": "loud"},
        {"precision": "fp12"},
        {"builder_optimization_level": 6},
        {"timeout_s": 0},
        {"profile_count": 0},
        {"mem_pool_size": "dla:1"},
        {"profile_from": Path("x"), "opt_shapes": ("x:1",)},
    ],
    ids=lambda b: next(iter(b)),
)
def test_values_out_of_range(bad):
    with pytest.raises(UsageError):
        BuildEngineOptions(**HERE, **bad)
