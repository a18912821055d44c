"""TensorRT's types in numpy's words; those that numpy lacks are said."""

import sys

import ml_dtypes
import numpy as np
import pytest

from pipeline.stages.runners.tensorrt_types import EngineError, numpy_dtype


def test_types():
    assert numpy_dtype(None, "DataType.HALF") == np.float16
    assert numpy_dtype(None, "DataType.BF16") == np.dtype(ml_dtypes.bfloat16)
    with pytest.raises(EngineError, match="INT4"):
        numpy_dtype(None, "DataType.INT4")


def test_what_needs_a_library_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert numpy_dtype(None, "DataType.INT64") == np.int64
    with pytest.raises(EngineError, match="pip install ml_dtypes"):
        numpy_dtype(None, "DataType.BF16")
