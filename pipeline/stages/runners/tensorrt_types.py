"""TensorRT's types, logger and errors in our terms."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


class EngineError(RuntimeError):
    """A plan that does not load or inputs that do not fit, with what TensorRT logged."""

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(what + (f": {said}" if said else ""))


def numpy_dtype(trt: ModuleType, dtype: Any) -> np.dtype[Any]:
    """Return numpy's type for a tensor's; bfloat16 and float8 need ml_dtypes."""
    short = str(dtype).rpartition(".")[2]
    plain = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64",
             "INT8": "int8", "UINT8": "uint8", "BOOL": "bool"}  # fmt: skip
    if short in plain:
        return np.dtype(plain[short])
    try:
        import ml_dtypes
    except ImportError as err:
        raise EngineError(f"{short} tensors need `pip install ml_dtypes`") from err
    names = {"BF16": ml_dtypes.bfloat16, "FP8": ml_dtypes.float8_e4m3fn}
    if short not in names:
        raise EngineError(f"numpy has no type for {short}")
    found: np.dtype[Any] = np.dtype(names[short])
    return found


def logger(trt: ModuleType) -> Any:
    """Return a logger for these bindings whose `last` is the last error, for our own messages."""

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        """Keeps the last error."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.last = msg

    return Log()
