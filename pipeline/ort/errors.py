"""What ONNX Runtime reports as text, as errors that other code can decide on."""

from __future__ import annotations

from onnxruntime import __version__
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as _NotImplemented

from pipeline.errors import BadModelError, first_line

_NEWER = (
    f"If it was optimized beside another ONNX Runtime than {__version__}, run `pipeline optimize` "
    "again with this one: it proves each operator where it will run."
)


class ModelRefusedError(BadModelError):
    """The runtime does not load a model.

    Attributes:
        said: The runtime's own words.
    """

    def __init__(self, error: Exception, where: str = "") -> None:
        self.said = str(error)
        fix = _NEWER if "com.microsoft" in self.said else ""
        super().__init__(
            f"ONNX Runtime refuses the model: {first_line(error)}", where=where, fix=fix
        )


class MissingKernelError(ModelRefusedError):
    """The runtime knows an operator of the model, but has no kernel for it or for its types."""


class RunFailedError(BadModelError):
    """The runtime ended a run: the inputs do not fit, or an operator failed on them."""

    def __init__(self, error: Exception, where: str = "") -> None:
        super().__init__(f"ONNX Runtime failed while running: {first_line(error)}", where=where)


def refused(error: Exception, where: str = "") -> ModelRefusedError:
    """Return the error of a model that did not load, by what the runtime raised.

    Args:
        error: What opening a session raised.
        where: The model.
    """
    kind = MissingKernelError if isinstance(error, _NotImplemented) else ModelRefusedError
    return kind(error, where)
